"""A second opinion on the ticks of schedules where clocks change.

Written from the rules of docs/schedules.md, and the other way round than the product: it goes through the
times on the wall and asks Python's zoneinfo (PEP 495) which instants show them, where the product goes
through the instants and asks which wall they show.

    golden.py            writes the tables of dst.golden to the standard output
    golden.py --others   compares them with cronsim, a third implementation, where both mean the same
"""

import calendar
import sys
from datetime import datetime, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo

UTC = timezone.utc
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

# A zone and the day (in UTC) of one change of its clock.
CHANGES = [
    ("America/New_York", "2025-03-09"), ("America/New_York", "2025-11-02"),
    ("Europe/London", "2025-03-30"), ("Europe/London", "2025-10-26"),
    ("Australia/Lord_Howe", "2025-04-05"), ("Australia/Lord_Howe", "2025-10-04"),
    ("Pacific/Apia", "2010-09-26"), ("Pacific/Apia", "2011-04-02"), ("Pacific/Apia", "2011-09-24"),
    ("Pacific/Apia", "2011-12-30"), ("Pacific/Apia", "2012-03-31"), ("Pacific/Apia", "2012-09-29"),
    ("Africa/Casablanca", "2025-02-23"), ("Africa/Casablanca", "2025-04-06"),
    ("Antarctica/Troll", "2025-03-30"), ("Antarctica/Troll", "2025-10-26"),
    # Clocks that change at midnight and a minute after it, and one that lost 44 minutes and 30 seconds.
    ("America/Santiago", "2024-09-08"), ("America/Santiago", "2025-04-06"), ("America/St_Johns", "2006-04-02"),
    ("America/St_Johns", "2006-10-29"), ("Africa/Monrovia", "1972-01-07"),
]


# -- instants and walls

def offset(zone, instant):
    return instant.astimezone(zone).utcoffset()


def first_with_other_offset(zone, low, high):
    """The first second in (low, high] whose offset is not that of low."""
    before = offset(zone, low)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
    return high


def shown_at(zone, wall):
    """The instants at which the clock shows `wall`, and where it never does the first one after the gap."""
    instants = []
    for fold in (0, 1):
        instant = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == wall and instant not in instants:
            instants.append(instant)
    if instants:
        return sorted(instants), None
    around = [wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return [], first_with_other_offset(zone, min(around) - timedelta(seconds=1), max(around))


# -- cron

@cache
def numbers(field, low, high):
    found = set()
    for item in field.split(","):
        span, _, step = item.partition("/")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = map(int, span.split("-"))
        else:
            first = int(span)
            last = high if step else first
        found.update(range(first, last + 1, int(step or 1)))
    return frozenset(found)


def is_workday(year, month, day):
    return calendar.weekday(year, month, day) < 5


@cache
def days_of_month(field, year, month):
    length = calendar.monthrange(year, month)[1]
    found = set()
    for item in field.replace("?", "*").split(","):
        if item == "LW":
            found.add(max(day for day in range(1, length + 1) if is_workday(year, month, day)))
        elif item == "L":
            found.add(length)
        elif item.startswith("L-"):
            found.add(length - int(item[2:]))
        elif item.endswith("W"):
            wanted = int(item[:-1])
            if wanted <= length:
                # The nearest workday of the month; a tie cannot be.
                found.add(min((day for day in range(1, length + 1) if is_workday(year, month, day)),
                              key=lambda day: abs(day - wanted)))
        else:
            found |= numbers(item, 1, 31)
    return found


@cache
def days_of_week(field, year, month):
    weeks = calendar.Calendar(firstweekday=6).monthdayscalendar(year, month)
    found = set()
    for item in field.replace("?", "*").split(","):
        if "#" in item:
            weekday, nth = map(int, item.split("#"))
            days = [week[weekday % 7] for week in weeks if week[weekday % 7]]
            found.update(days[nth - 1:nth])
        elif item.endswith("L"):
            found.add([week[int(item[:-1]) % 7] for week in weeks if week[int(item[:-1]) % 7]][-1])
        else:
            for weekday in numbers(item, 0, 6):
                found.update(week[weekday % 7] for week in weeks if week[weekday % 7])
    return found


def walls(expression, begin, end):
    """The times on the wall that an expression names, in [begin, end)."""
    minute, hour, day, month, weekday = expression.split()
    minutes, hours, months = numbers(minute, 0, 59), numbers(hour, 0, 23), numbers(month, 1, 12)
    date = begin.replace(hour=0, minute=0, second=0)
    while date < end:
        if date.month in months:
            by_month = date.day in days_of_month(day, date.year, date.month)
            by_week = date.day in days_of_week(weekday, date.year, date.month)
            free = day[0] in "*?" or weekday[0] in "*?"
            if (by_month and by_week) if free else (by_month or by_week):
                for h in sorted(hours):
                    for m in sorted(minutes):
                        wall = date + h * HOUR + m * MINUTE
                        if begin <= wall < end:
                            yield wall
        date += DAY


def cron_ticks(expression, zone, begin, end):
    """{instant: (verdict under skip, under once, under both, remark)} in (begin, end]."""
    elapsed = expression.split()[1].startswith("*")
    ticks, gaps = {}, {}
    # A wall is at most a day and some hours from its instant, in either direction.
    for wall in walls(expression, begin.replace(tzinfo=None) - 3 * DAY, end.replace(tzinfo=None) + 3 * DAY):
        instants, after_gap = shown_at(zone, wall)
        if after_gap is not None:
            if not elapsed:
                gaps.setdefault(after_gap, []).append(wall)
        elif len(instants) == 1:
            ticks[instants[0]] = ("fire", "fire", "fire", "")
        else:
            ticks[instants[0]] = ("fire", "fire", "fire", "first")
            ticks[instants[1]] = ("fire",) * 3 + ("second",) if elapsed else ("overlap", "overlap", "fire", "second")
    for instant, lost in gaps.items():
        # The first time after the gap may be one that the expression names; it is not refused then.
        skip = "fire" if instant in ticks else "gap"
        ticks[instant] = (skip, "fire", "fire", f"after {len(lost)} from {lost[0].isoformat(timespec='minutes')}")
    return {instant: tick for instant, tick in ticks.items() if begin < instant <= end}


def interval_ticks(seconds, begin, end):
    """Steps from 1970 on."""
    step = timedelta(seconds=seconds)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    first = (begin - epoch) // step + 1
    return {epoch + n * step: ("fire", "fire", "fire", "") for n in range(first, (end - epoch) // step + 1)}


# -- cases

def cases(zone, change):
    """What is tried around a change: (kind, text, how long before and after it)."""
    before = change + offset(zone, change - timedelta(seconds=1))
    after = change + offset(zone, change)
    before, after = before.replace(tzinfo=None), after.replace(tzinfo=None)
    low, high = min(before, after), max(before, after)  # what the clock leaves out, or shows twice
    middle = low + (high - low) / 2
    middle -= timedelta(seconds=middle.second)
    day = middle.date()
    length = calendar.monthrange(day.year, day.month)[1]
    cron_weekday = (day.weekday() + 1) % 7
    at = f"{middle.minute} {middle.hour}"
    minute_at = lambda wall: f"{wall.minute} {wall.hour} * * *"
    yield from (("cron", minute_at(wall), 26 * HOUR) for wall in
                [low - MINUTE, low + (MINUTE if low.second else 0 * MINUTE), middle, high - MINUTE, high])
    yield "cron", f"*/20 {middle.hour} * * *", 26 * HOUR
    yield "cron", f"0,30 {low.hour},{(low.hour + 1) % 24},{(low.hour + 2) % 24} * * *", 8 * HOUR
    yield "cron", "10 0-5 * * *", 12 * HOUR
    yield "cron", "*/15 * * * *", 2 * HOUR
    yield "cron", "*/25 */2 * * *", 5 * HOUR
    yield "cron", "0 * * * *", 4 * HOUR
    yield "cron", "30 * * * *", 4 * HOUR
    yield "cron", "0 0 * * *", 26 * HOUR
    yield "cron", "0 9 * * *", 26 * HOUR
    yield "cron", f"{at} L-{length - day.day} * *" if day.day < length else f"{at} L * *", 40 * DAY
    yield "cron", f"{at} {day.day}W,LW * *", 40 * DAY
    yield "cron", f"{at} ? * {cron_weekday}#{(day.day - 1) // 7 + 1},{cron_weekday}L", 40 * DAY
    yield "cron", f"{at} {day.day} {day.month} {(cron_weekday + 3) % 7}", 9 * DAY
    yield "every", "1800", 2 * HOUR
    yield "every", "86400", 3 * DAY


def find_change(name, day):
    zone = ZoneInfo(name)
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return zone, first_with_other_offset(zone, begin - timedelta(seconds=1), begin + DAY)


def ticks_of(kind, text, zone, begin, end):
    if kind == "cron":
        return cron_ticks(text, zone, begin, end)
    return interval_ticks(int(text), begin, end)


def stamp(instant):
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def tables():
    print("# Ticks where clocks change, and what becomes of them under each policy. golden.py writes this file from the")
    print("# rules of docs/schedules.md; a test compares it with the product. Times are the zone's, with seconds and offset.")
    for name, day in CHANGES:
        zone, change = find_change(name, day)
        old, new = (int(offset(zone, at).total_seconds()) for at in (change - timedelta(seconds=1), change))
        print(f"\nzone {name}\nchange {stamp(change)} from {old} to {new} seconds")
        for kind, text, reach in cases(zone, change):
            begin, end = change - reach, change + reach
            print(f"\n{kind} {text}\n  {stamp(begin)} to {stamp(end)}")
            for instant, (skip, once, both, remark) in sorted(ticks_of(kind, text, zone, begin, end).items()):
                # Python would write an offset of seconds in full, which RFC 3339 does not know.
                local = instant.astimezone(zone)
                minutes = int(abs(local.utcoffset().total_seconds())) // 60
                sign = "-" if local.utcoffset().total_seconds() < 0 else "+"
                shown = f"{local:%Y-%m-%dT%H:%M:%S}{sign}{minutes // 60:02}:{minutes % 60:02}"
                print(f"  {shown}  {skip:8}{once:8}{both:8}{remark}".rstrip())


# Where cronsim 2.8 leaves out times that the wall does show, or shows again, beside changes that are not
# whole hours on the hour: it goes on in steps of hours.
CRONSIM_DIFFERS = {
    ("Australia/Lord_Howe", "2025-04-05", "*/25 */2 * * *"), ("Australia/Lord_Howe", "2025-04-05", "30 * * * *"),
    ("Australia/Lord_Howe", "2025-10-04", "30 * * * *"), ("America/St_Johns", "2006-04-02", "*/25 */2 * * *"),
}
# Nor does it come back from this one, where the date goes back, too.
CRONSIM_HANGS = {("America/St_Johns", "2006-10-29", "*/25 */2 * * *")}


def cronsim_knows(kind, text):
    """Debian's cron, which cronsim follows, takes a minute of `*` for elapsed time, too, and no `?`, `15W` or `L-3`."""
    if kind != "cron":
        return False
    minute, hour, day = text.split()[:3]
    return not (minute[0] == "*" and hour[0] != "*") and "?" not in text and "L-" not in day and "W" not in day


def others():
    try:
        from cronsim import CronSim
    except ImportError:
        sys.exit("cronsim is missing; run `make tools`")

    compared, faults = 0, 0
    for name, day in CHANGES:
        zone, change = find_change(name, day)
        for kind, text, reach in cases(zone, change):
            begin, end = change - reach, change + reach
            if not cronsim_knows(kind, text) or (name, day, text) in CRONSIM_HANGS:
                continue
            if offset(zone, begin).seconds % 60:
                continue  # it does not come back from zones whose offset has seconds
            mine = [at for at, tick in sorted(cron_ticks(text, zone, begin, end).items()) if tick[1] == "fire"]
            theirs = []
            for tick in CronSim(text, begin.astimezone(zone)):
                if tick.astimezone(UTC) > end:
                    break
                theirs.append(tick.astimezone(UTC))
            compared += 1
            if (mine != theirs) != ((name, day, text) in CRONSIM_DIFFERS):
                faults += 1
                print(f"{name} {stamp(change)} {text}\n  here    {[stamp(at) for at in mine]}\n  cronsim {[stamp(at) for at in theirs]}")
    print(f"{compared} tables compared with cronsim, {len(CRONSIM_DIFFERS)} of them known to differ")
    sys.exit(1 if faults or not compared else 0)


if __name__ == "__main__":
    others() if "--others" in sys.argv else tables()
