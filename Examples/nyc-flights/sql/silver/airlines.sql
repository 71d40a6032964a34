SELECT
    carrier,
    trim(name) AS carrier_name
FROM bronze.airlines
