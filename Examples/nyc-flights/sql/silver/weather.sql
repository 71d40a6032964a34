-- One row for each airport and hour in UTC. The local hour is no key: it comes twice when the clocks go back.
-- A file that is delivered again brings the same hours again, of which the last delivery counts.
SELECT
    origin AS airport,
    time_hour AS observed_at,
    year,
    month,
    day,
    hour AS local_hour,
    temp AS temperature_fahrenheit,
    dewp AS dew_point_fahrenheit,
    humid AS relative_humidity_percent,
    wind_dir AS wind_direction_degrees,
    wind_speed AS wind_speed_mph,
    wind_gust AS wind_gust_mph,
    precip AS precipitation_inches,
    pressure AS pressure_millibars,
    visib AS visibility_miles
FROM bronze.weather
WHERE year = getvariable('year')
QUALIFY row_number() OVER (
    PARTITION BY origin, time_hour
    ORDER BY _ingested_at DESC, _source_file DESC, _row_number DESC
) = 1
