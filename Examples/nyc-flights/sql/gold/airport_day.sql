-- A day at an airport: what was scheduled to leave, how it went, and in what weather.
WITH departures AS (
    SELECT
        flights.year,
        flights.month,
        flights.flight_date,
        flights.origin,
        count(*) AS scheduled_departures,
        count(*) FILTER (WHERE NOT flights.is_cancelled) AS departures,
        count(*) FILTER (WHERE flights.departure_delay_minutes > 15) AS late_departures,
        avg(flights.departure_delay_minutes) AS mean_departure_delay_minutes,
        sum(planes.seats) FILTER (WHERE NOT flights.is_cancelled) AS known_seats
    FROM silver.flights AS flights
    LEFT JOIN silver.planes AS planes ON planes.tailnum = flights.tailnum AND planes._is_current
    GROUP BY flights.year, flights.month, flights.flight_date, flights.origin
),
conditions AS (
    SELECT
        airport,
        make_date(year, month, day) AS local_date,
        avg(temperature_fahrenheit) AS mean_temperature_fahrenheit,
        sum(precipitation_inches) AS precipitation_inches,
        min(visibility_miles) AS lowest_visibility_miles
    FROM silver.weather
    GROUP BY airport, make_date(year, month, day)
)
SELECT
    departures.year,
    departures.month,
    departures.flight_date,
    departures.origin AS airport,
    airports.airport_name,
    departures.scheduled_departures,
    departures.departures,
    departures.late_departures,
    departures.mean_departure_delay_minutes,
    departures.known_seats,
    conditions.mean_temperature_fahrenheit,
    conditions.precipitation_inches,
    conditions.lowest_visibility_miles
FROM departures
JOIN silver.airports AS airports ON airports.airport = departures.origin
LEFT JOIN conditions ON conditions.airport = departures.origin AND conditions.local_date = departures.flight_date
