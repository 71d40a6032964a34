SELECT
    faa AS airport,
    trim(name) AS airport_name,
    lat AS latitude,
    lon AS longitude,
    alt AS altitude_feet,
    tz AS utc_offset_hours,
    tzone AS time_zone
FROM bronze.airports
