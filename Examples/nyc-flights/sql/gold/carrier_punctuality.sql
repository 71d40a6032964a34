-- How punctual each carrier was in each month. On time is an arrival less than 15 minutes late.
SELECT
    flights.year,
    flights.month,
    flights.carrier,
    airlines.carrier_name,
    count(*) AS flights,
    count(*) FILTER (WHERE flights.is_cancelled) AS cancelled_flights,
    count(*) FILTER (WHERE flights.is_diverted) AS diverted_flights,
    avg(flights.departure_delay_minutes) AS mean_departure_delay_minutes,
    avg(flights.arrival_delay_minutes) AS mean_arrival_delay_minutes,
    max(flights.arrival_delay_minutes) AS worst_arrival_delay_minutes,
    count(*) FILTER (WHERE flights.arrival_delay_minutes < 15) / count(*) AS on_time_share
FROM silver.flights AS flights
JOIN silver.airlines AS airlines ON airlines.carrier = flights.carrier
GROUP BY flights.year, flights.month, flights.carrier, airlines.carrier_name
ORDER BY flights.year, flights.month, flights.carrier
