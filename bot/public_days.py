"""The public holidays of a country, from the ``holidays`` library."""

from datetime import date, timedelta


def public_days(country: str, years: range) -> tuple[frozenset[date], frozenset[date]] | None:
    """The days off of these years and the weekend days worked in exchange; None: the country is not known.

    A year whose official notice is not out yet is the library's estimate: the cycle's own list overrides it.
    """
    import holidays

    try:
        calendar = holidays.country_holidays(country, years=years)
    except NotImplementedError:
        return None
    first = date(years.start, 1, 1)
    days = [first + timedelta(days=n) for n in range((date(years.stop, 1, 1) - first).days)]
    worked = frozenset(day for day in days if day.weekday() >= 5 and calendar.is_working_day(day))
    return frozenset(day for day in days if day in calendar), worked
