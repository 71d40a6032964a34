-- Delay against the weather at the origin in the scheduled hour of departure.
WITH banded AS (
    SELECT
        flights.departure_delay_minutes,
        flights.is_cancelled,
        CASE
            WHEN weather.visibility_miles IS NULL THEN 'no reading'
            WHEN weather.visibility_miles < 1 THEN 'below 1 mile'
            WHEN weather.visibility_miles < 5 THEN '1 to 5 miles'
            ELSE '5 miles and more'
        END AS visibility_band,
        CASE
            WHEN weather.wind_speed_mph IS NULL THEN 'no reading'
            WHEN weather.wind_speed_mph < 10 THEN 'below 10 mph'
            WHEN weather.wind_speed_mph < 20 THEN '10 to 20 mph'
            ELSE '20 mph and more'
        END AS wind_band
    FROM silver.flights AS flights
    LEFT JOIN silver.weather AS weather
        ON weather.airport = flights.origin AND weather.observed_at = flights.scheduled_hour
)
SELECT
    visibility_band,
    wind_band,
    count(*) AS flights,
    count(*) FILTER (WHERE is_cancelled) / count(*) AS cancelled_share,
    avg(departure_delay_minutes) AS mean_departure_delay_minutes,
    count(*) FILTER (WHERE departure_delay_minutes >= 60) / count(*) AS hour_late_share
FROM banded
GROUP BY visibility_band, wind_band
ORDER BY visibility_band, wind_band
