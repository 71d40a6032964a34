-- One row for each departure. A flight that was delivered again is a correction: the last delivery counts.
SELECT
    strftime(make_date(year, month, day), '%Y-%m-%d') || ' ' || carrier || flight || ' ' || origin AS flight_id,
    make_date(year, month, day) AS flight_date,
    year,
    month,
    carrier,
    flight AS flight_number,
    tailnum,
    origin,
    dest AS destination,
    time_hour AS scheduled_hour,
    dep_delay AS departure_delay_minutes,
    arr_delay AS arrival_delay_minutes,
    air_time AS air_time_minutes,
    distance AS distance_miles,
    dep_time IS NULL AS is_cancelled,
    dep_time IS NOT NULL AND arr_delay IS NULL AS is_diverted
FROM bronze.flights
WHERE year = getvariable('year')
QUALIFY row_number() OVER (
    PARTITION BY year, month, day, carrier, flight, origin
    ORDER BY _ingested_at DESC, _source_file DESC, _row_number DESC
) = 1
