#!/usr/bin/env python3
"""Checks the lake of one run of Examples/nyc-flights against figures computed from the raw files.

    verify_nyc.py RAW_FOLDER LAKE_FOLDER DUCKDB     LAKE_FOLDER is <root>/<environment>

The expected figures come from Python's csv module and SQLite, so that no engine of FlowForge judges its own work;
DuckDB only reads the Parquet files. Prints one line for each comparison and exits 1 if one of them fails.
"""
import csv
import datetime
import glob
import json
import os
import sqlite3
import subprocess
import sys

RAW, LAKE, DUCKDB = sys.argv[1:4]
YEAR = 2013
failures = 0


def check(what, found, expected):
    global failures
    good = found == expected
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {what}: {expected}" + ("" if good else f", found {found}"))


# --- what the raw files say ------------------------------------------------------------------------------------

def rows_of(path):
    """The rows that have as many fields as the header; a row that is no UTF-8 or whose quote never ends is none."""
    good, bad = [], 0
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    header = next(csv.reader([lines[0].decode()]))
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        try:
            fields = next(csv.reader([line.decode("utf-8").rstrip("\r")], strict=True))
        except (UnicodeDecodeError, csv.Error):
            bad += 1
            continue
        if len(fields) != len(header):
            bad += 1
        else:
            good.append((number, dict(zip(header, fields))))
    return good, bad


def whole(text, low=-32768, high=32767):
    if text in ("", "NA"):
        return None
    number = int(text)
    if not low <= number <= high:
        raise ValueError(text)
    return number


def real(text):
    return None if text in ("", "NA") else float(text)


def word(text):
    return None if text in ("", "NA") else text


def required(value):
    if value is None:
        raise ValueError("missing")
    return value


def hour(text):
    return int(datetime.datetime.strptime(required(word(text)), "%Y-%m-%dT%H:%M:%SZ")
               .replace(tzinfo=datetime.timezone.utc).timestamp())


def flight(row):
    return (
        required(whole(row["year"])), required(whole(row["month"])), required(whole(row["day"])), whole(row["dep_time"]),
        whole(row["sched_dep_time"]), whole(row["dep_delay"]), whole(row["arr_time"]), whole(row["sched_arr_time"]),
        whole(row["arr_delay"]), required(word(row["carrier"])), required(whole(row["flight"], -2**31, 2**31 - 1)),
        word(row["tailnum"]), required(word(row["origin"])), required(word(row["dest"])), whole(row["air_time"]),
        whole(row["distance"]), whole(row["hour"]), whole(row["minute"]), hour(row["time_hour"]))


def weather(row):
    return (
        required(word(row["origin"])), required(whole(row["year"])), required(whole(row["month"])),
        required(whole(row["day"])), required(whole(row["hour"])), hour(row["time_hour"]), real(row["temp"]),
        real(row["precip"]), real(row["visib"]), real(row["wind_speed"]))


def typed(pattern, convert):
    """Every good row of the files, with the name of its file and its line, and how many rows are not."""
    good, bad = [], 0
    for path in sorted(glob.glob(os.path.join(RAW, pattern))):
        rows, ragged = rows_of(path)
        bad += ragged
        for number, row in rows:
            try:
                good.append(convert(row) + (os.path.basename(path), number))
            except ValueError:
                bad += 1
    return good, bad


db = sqlite3.connect(":memory:")
flights, bad_flights = typed("flights*.csv", flight)
readings, bad_readings = typed("weather*.csv", weather)
planes, bad_planes = typed("planes.csv", lambda r: (required(word(r["tailnum"])), whole(r["seats"]), whole(r["year"])))
airports, _ = typed("airports.csv", lambda r: (required(word(r["faa"])), required(word(r["name"])), word(r["tzone"])))
airlines, _ = typed("airlines.csv", lambda r: (required(word(r["carrier"])), required(word(r["name"]))))

db.executescript("""
CREATE TABLE delivered (year, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, arr_delay, carrier,
  flight, tailnum, origin, dest, air_time, distance, hour, minute, time_hour, file, line);
CREATE TABLE weather (airport, year, month, day, hour, at, temp, precip, visib, wind, file, line);
CREATE TABLE plane (tailnum, seats, built, file, line);
CREATE TABLE airport (airport, name, zone, file, line);
CREATE TABLE airline (carrier, name, file, line);
""")
for table, rows in [("delivered", flights), ("weather", readings), ("plane", planes), ("airport", airports),
                    ("airline", airlines)]:
    db.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)
# The last delivery of a flight counts: the file whose name is last, then the line that is last.
db.executescript(f"""
CREATE TABLE flight AS SELECT * FROM (
  SELECT *, row_number() OVER (PARTITION BY year, month, day, carrier, flight, origin ORDER BY file DESC, line DESC) AS n
  FROM delivered WHERE year = {YEAR}) WHERE n = 1;
CREATE INDEX plane_tail ON plane (tailnum);
CREATE INDEX weather_key ON weather (airport, at);
""")


def expected(sql):
    return db.execute(sql).fetchall()


# --- what the lake says -----------------------------------------------------------------------------------------

def lake(sql, *tables):
    views = "".join(
        f"CREATE VIEW {name.replace('.', '_')} AS SELECT * FROM "
        f"read_parquet('{LAKE}/{name.replace('.', '/')}/current/**/*.parquet', hive_partitioning = true);"
        for name in tables)
    out = subprocess.run([DUCKDB, "-json", "-c", f"SET TimeZone='UTC'; {views} {sql}"], capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(f"error: cannot read the lake: {out.stderr.strip()}")
    return [tuple(row.values()) for row in json.loads(out.stdout.strip() or "[]")]


def close(value):
    """Numbers to nine digits: the order of additions is each engine's own."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    return float(f"{value:.9g}") if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def compare(what, found, wanted):
    found = sorted((tuple(map(close, row)) for row in found), key=repr)
    wanted = sorted((tuple(map(close, row)) for row in wanted), key=repr)
    if found == wanted:
        check(f"{what}, rows all equal", len(found), len(wanted))
        return
    check(f"{what}, rows", len(found), len(wanted))
    different = [(f, w) for f, w in zip(found, wanted) if f != w]
    if different:
        check(f"{what}, first of {len(different)} that differ", *different[0])


# Bronze: everything readable, once.
for table, rows in [("flights", flights), ("weather", readings), ("planes", planes), ("airports", airports),
                    ("airlines", airlines)]:
    check(f"bronze.{table} rows", lake(f"SELECT count(*) AS n FROM bronze_{table};", f"bronze.{table}")[0][0], len(rows))
check("raw rows that cannot be read", bad_flights + bad_readings + bad_planes, 9)
check("raw flights that can", len(flights), 336776 + 5)
check("audit columns of bronze.flights", lake(
    "SELECT count(*) AS n, count(_ingested_at) AS i, count(_row_number) AS r, count(_run_id) AS u, "
    "count(DISTINCT _source_file) AS f FROM bronze_flights;", "bronze.flights")[0], (len(flights),) * 4 + (2,))

check("quarantined flights, each with a reason", lake(
    f"SELECT count(_reason) AS n FROM read_parquet('{LAKE}/bronze/flights/quarantine/**/*.parquet', union_by_name = true);")[0][0],
    bad_flights)

# Silver: deduplicated, corrected, conformed.
silver = lake(
    "SELECT count(*) AS n, count(DISTINCT flight_id) AS d, sum(is_cancelled::INT) AS c, sum(is_diverted::INT) AS v, "
    "sum(arrival_delay_minutes) AS a, sum(departure_delay_minutes) AS p, sum(distance_miles) AS m FROM silver_flights;",
    "silver.flights")[0]
check("silver.flights: rows, keys, cancelled, diverted, sums of delays and distance", tuple(map(int, silver)), expected(
    "SELECT count(*), count(*), sum(dep_time IS NULL), sum(dep_time IS NOT NULL AND arr_delay IS NULL), sum(arr_delay), "
    "sum(dep_delay), sum(distance) FROM flight")[0])
check("the corrected flight's delay", lake(
    "SELECT arrival_delay_minutes AS d FROM silver_flights WHERE flight_id = '2013-01-01 UA1545 EWR';", "silver.flights"), [(31,)])
check("flights whose plane is unknown or not given", lake(
    "SELECT count(*) AS n FROM silver_flights WHERE tailnum IS NULL OR tailnum NOT IN (SELECT tailnum FROM silver_planes);",
    "silver.flights", "silver.planes")[0][0], expected(
    "SELECT count(*) FROM flight WHERE tailnum IS NULL OR tailnum NOT IN (SELECT tailnum FROM plane)")[0][0])
check("the same of the original file", expected(
    "SELECT count(*) FROM delivered WHERE file = 'flights.csv' AND (tailnum IS NULL OR tailnum NOT IN (SELECT tailnum FROM plane))"
)[0][0], 52606)
check("flights to unknown airports", lake(
    "SELECT count(*) AS n FROM silver_flights WHERE destination NOT IN (SELECT airport FROM silver_airports);",
    "silver.flights", "silver.airports")[0][0], expected(
    "SELECT count(*) FROM flight WHERE dest NOT IN (SELECT airport FROM airport)")[0][0])
check("the same of the original file", expected(
    "SELECT count(*) FROM delivered WHERE file = 'flights.csv' AND dest NOT IN (SELECT airport FROM airport)")[0][0], 7602)
check("silver.planes, current versions", lake(
    "SELECT count(*) AS n, count(*) FILTER (WHERE _is_current AND _valid_to IS NULL) AS c, "
    "count(*) FILTER (WHERE built_year IS NULL) AS y FROM silver_planes;", "silver.planes")[0],
    (len(planes), len(planes), sum(1 for p in planes if p[2] is None)))
check("silver.weather hours, and local hours that came twice", lake(
    "SELECT (SELECT count(*) FROM silver_weather) AS n, (SELECT count(*) FROM (SELECT 1 FROM silver_weather "
    "GROUP BY airport, year, month, day, local_hour HAVING count(*) > 1)) AS d;", "silver.weather")[0], (len(readings), 3))

# Gold: every figure of every row.
compare("gold.carrier_punctuality", lake(
    "SELECT year, month, carrier, carrier_name, flights, cancelled_flights, diverted_flights, mean_departure_delay_minutes, "
    "mean_arrival_delay_minutes, worst_arrival_delay_minutes, on_time_share FROM gold_carrier_punctuality;",
    "gold.carrier_punctuality"), expected("""
  SELECT year, month, f.carrier, trim(a.name), count(*), sum(dep_time IS NULL), sum(dep_time IS NOT NULL AND arr_delay IS NULL),
    avg(dep_delay), avg(arr_delay), max(arr_delay), sum(coalesce(arr_delay < 15, 0)) * 1.0 / count(*)
  FROM flight f JOIN airline a ON a.carrier = f.carrier GROUP BY year, month, f.carrier"""))
compare("gold.weather_delay", lake(
    "SELECT visibility_band, wind_band, flights, cancelled_share, mean_departure_delay_minutes, hour_late_share "
    "FROM gold_weather_delay;", "gold.weather_delay"), expected("""
  SELECT CASE WHEN visib IS NULL THEN 'no reading' WHEN visib < 1 THEN 'below 1 mile' WHEN visib < 5 THEN '1 to 5 miles'
      ELSE '5 miles and more' END AS v,
    CASE WHEN wind IS NULL THEN 'no reading' WHEN wind < 10 THEN 'below 10 mph' WHEN wind < 20 THEN '10 to 20 mph'
      ELSE '20 mph and more' END AS w,
    count(*), sum(dep_time IS NULL) * 1.0 / count(*), avg(dep_delay), sum(coalesce(dep_delay >= 60, 0)) * 1.0 / count(*)
  FROM flight f LEFT JOIN weather r ON r.airport = f.origin AND r.at = f.time_hour GROUP BY v, w"""))
compare("gold.airport_day", lake(
    "SELECT strftime(flight_date, '%Y-%m-%d') AS day, airport, airport_name, scheduled_departures, departures, late_departures, "
    "mean_departure_delay_minutes, known_seats, mean_temperature_fahrenheit, precipitation_inches, lowest_visibility_miles "
    "FROM gold_airport_day;", "gold.airport_day"), expected("""
  WITH d AS (
    SELECT year, month, day, origin, count(*) AS scheduled, sum(dep_time IS NOT NULL) AS departed,
      sum(coalesce(dep_delay > 15, 0)) AS late, avg(dep_delay) AS delay,
      sum(CASE WHEN dep_time IS NOT NULL THEN seats END) AS seats
    FROM flight f LEFT JOIN plane p ON p.tailnum = f.tailnum GROUP BY year, month, day, origin),
  w AS (SELECT airport, year, month, day, avg(temp) AS temp, sum(precip) AS precip, min(visib) AS visib
    FROM weather GROUP BY airport, year, month, day)
  SELECT printf('%04d-%02d-%02d', d.year, d.month, d.day), origin, trim(a.name), scheduled, departed, late, delay, seats, temp,
    precip, visib
  FROM d JOIN airport a ON a.airport = d.origin
  LEFT JOIN w ON w.airport = d.origin AND w.year = d.year AND w.month = d.month AND w.day = d.day"""))

sys.exit(1 if failures else 0)
