"""Cells as people and spreadsheets write them -> values. What could mean two things is refused, never guessed."""

import re
import unicodedata
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flows.fields import WEEKDAYS
from flows.windows import parse_windows

Cell = str | int | float | bool | datetime | date | time | timedelta | None
"""What a file holds: text from CSV, more kinds from XLSX."""

NOON = time(12)
"""The time of day of an event that says only its date: the same date in most zones."""
EXCEL_DAYS = (20_000, 80_000)
"""Numbers that stand for a date in a spreadsheet: 1954 to 2119."""
EXCEL_EPOCH = date(1899, 12, 30)


class Unreadable(Exception):  # noqa: N818 - the name says what happened
    """A cell that is no value of its kind: reason and remedy."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


def text_of(cell: Cell) -> str:
    """The cell as text: 13800000000.0 is 13800000000, a leading ' that only protects a formula sign is dropped."""
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        case datetime() if cell.time() == time(0) and cell.tzinfo is None:
            return cell.date().isoformat()
        case datetime() | date() | time():
            return cell.isoformat()
        case str():
            text = cell.strip()
            return text[1:] if re.match(r"'[=+\-@']", text) else text
        case _:
            return str(cell)


def phone_of(cell: Cell) -> str:
    """A phone as digits with an optional +; what a spreadsheet has rounded is refused."""
    text = unicodedata.normalize("NFKC", text_of(cell)).lstrip("'")
    if re.fullmatch(r"\d+(\.\d+)?[eE]\+?\d+", text):
        raise Unreadable(
            f"{text!r} was shortened by a spreadsheet", "format the column as text and export the file again"
        )
    text = re.sub(r"\.0+$", "", text)
    if text and not re.fullmatch(r"[+\d(][\d\s()./\-]*", text):
        raise Unreadable(f"{text!r} is no phone number", "write one number in each cell, such as +8613800000000")
    if len(re.findall(r"\d{7,}", text.replace("-", "").replace(" ", ""))) > 1:
        raise Unreadable(f"{text!r} holds more than one number", "keep the one that texts should go to")
    return text


def value_of(kind: str, cell: Cell, zone: ZoneInfo, date_format: str | None = None) -> Any:
    """The cell as a number, text, flag or date (as 2026-09-01); Unreadable says why not."""
    match kind:
        case "number":
            return number_of(cell)
        case "flag":
            return flag_of(cell)
        case "date":
            return instant_of(cell, zone, date_format).astimezone(zone).date().isoformat()
        case _:
            return text_of(cell)


def number_of(cell: Cell) -> int | float:
    """1,234.50 ￥99 (12.00) 12,50 -> a number; `1,234` is twelve hundred and thirty-four."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return cell
    text = unicodedata.normalize("NFKC", text_of(cell))
    digits = re.sub(r"^(-?)\s*(?:[¥$€£]|RMB|CNY|USD|GBP|EUR)\s*|\s*(?:元|圆|RMB|CNY|USD|GBP|EUR|[¥$€£])$", r"\1", text)
    if bracketed := re.fullmatch(r"\((.+)\)", digits):
        digits = f"-{bracketed[1]}"
    digits = digits.replace("\u00a0", " ").strip()
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", digits):
        digits = digits.replace(",", "")
    elif re.fullmatch(r"[+-]?\d{1,3}([. ]\d{3})*,\d{1,2}", digits):
        digits = re.sub(r"[. ]", "", digits).replace(",", ".")
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)", digits):
        raise Unreadable(f"{text!r} is no number", "write it as 1234.50")
    number = float(digits)
    return int(number) if number.is_integer() and "." not in digits and abs(number) < 1e15 else number


_YES = {"是", "有", "y", "yes", "true", "t", "1", "√", "✓", "对", "同意", "已同意", "on"}
_NO = {"否", "无", "没有", "n", "no", "false", "f", "0", "×", "x", "不", "不同意", "未同意", "off"}


def flag_of(cell: Cell) -> bool:
    """是 yes true 1 √ -> true; 否 no false 0 × -> false."""
    if isinstance(cell, bool):
        return cell
    text = unicodedata.normalize("NFKC", text_of(cell)).lower()
    if text in _YES or text in _NO:
        return text in _YES
    raise Unreadable(f"{text!r} is neither yes nor no", "write yes or no, 是 or 否")


_APART = re.compile(r"[,;，；、/\s]+|和|及")
_UNTIL = re.compile(r"\s*(?:-|–|—|~|至|到)\s*")
_ENGLISH_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS = ("一", "二", "三", "四", "五", "六", "日")


def windows_of(cell: Cell) -> list[str]:
    """Times of day such as 18:00-20:00, 18：00至20：00; several with commas."""
    text = _UNTIL.sub("-", unicodedata.normalize("NFKC", text_of(cell)))
    texts = [part for part in _APART.split(text) if part]
    try:
        return [str(window) for window in parse_windows(texts)]
    except ValueError as error:
        raise Unreadable(str(error), "write 18:00-20:00, several with commas") from None


def weekdays_of(cell: Cell) -> list[str]:
    """Weekdays such as 周一、周六, mon fri, Mon-Fri, 周一至周五 -> mon, tue ..."""
    text = _UNTIL.sub("-", unicodedata.normalize("NFKC", text_of(cell)).lower())
    found: set[int] = set()
    for part in (each for each in _APART.split(text) if each):
        first, _, last = part.partition("-")
        start, end = _weekday(first), _weekday(last or first)
        found |= {(start + n) % 7 for n in range((end - start) % 7 + 1)}
    return [WEEKDAYS[day] for day in sorted(found)]


def _weekday(text: str) -> int:
    name = re.sub(r"^(周|星期|礼拜)", "", text).replace("天", "日")
    if name in _DAYS:
        return _DAYS.index(name)
    if len(name) >= 3 and any(day.startswith(name) for day in _ENGLISH_DAYS):
        return WEEKDAYS.index(name[:3])
    raise Unreadable(f"{text!r} is no weekday", "write mon, tue ... or 周一、周二 ...")


_DATE = re.compile(
    r"(?P<year>\d{4})\s*[-/.年]\s*(?P<month>\d{1,2})\s*[-/.月]\s*(?P<day>\d{1,2})\s*日?"
    r"|(?P<year2>\d{4})(?P<month2>\d{2})(?P<day2>\d{2})(?=\D|\d{4,6}$|$)"
)
_TIME = re.compile(
    r"[T\s]*(?P<half>上午|下午|AM|PM)?\s*(?P<hour>\d{1,2})\s*[:时点]\s*((?P<minute>\d{1,2})\s*[:分]?\s*((?P<second>\d{1,2})(\.\d+)?\s*秒?)?)?"
    r"\s*(?P<half2>AM|PM)?|(?P<packed>\d{4}|\d{6})",
    re.IGNORECASE,
)
_REMEDY = "write 2026-09-01 or 2026-09-01 10:30, or say date_format: '%d.%m.%Y' in a mapping file"


def instant_of(cell: Cell, zone: ZoneInfo, date_format: str | None = None, time_cell: Cell = None) -> datetime:
    """An aware instant; without a zone of its own it is in `zone`, without a time of day it is noon."""
    at = _moment(cell, date_format)
    if text_of(time_cell):
        at = datetime.combine(at, _time_of(time_cell))
    if not isinstance(at, datetime):
        at = datetime.combine(at, NOON)
    at = at if at.tzinfo else at.replace(tzinfo=zone)
    try:
        at.astimezone(UTC)
    except OverflowError:
        raise Unreadable(f"{text_of(cell)!r} is out of range", _REMEDY) from None
    return at


def _moment(cell: Cell, date_format: str | None) -> datetime | date:
    """A date, or a date with its time of day."""
    if isinstance(cell, datetime):  # a spreadsheet knows no bare dates
        return cell if cell.time() != time(0) else cell.date()
    if isinstance(cell, date):
        return cell
    text = unicodedata.normalize("NFKC", text_of(cell))
    if date_format:
        return _by_format(text, date_format)
    if re.fullmatch(r"\d{5}(\.\d+)?", text) and EXCEL_DAYS[0] <= float(text) <= EXCEL_DAYS[1]:
        return _excel(float(text))
    return _by_shape(text)


def _excel(number: float) -> datetime | date:
    day = EXCEL_EPOCH + timedelta(days=int(number))
    seconds = round(number % 1 * 86_400)
    return datetime.combine(day, time(0)) + timedelta(seconds=seconds) if seconds else day


def _by_format(text: str, date_format: str) -> datetime | date:
    try:
        at = datetime.strptime(text, date_format)  # noqa: DTZ007 - the caller knows the zone
    except ValueError:
        raise Unreadable(f"{text!r} is not written as {date_format}", "mend the cell or the date_format") from None
    has_time = any(code in date_format for code in ("%H", "%I", "%c", "%X", "%T"))
    return at if has_time else at.date()


def _by_shape(text: str) -> datetime | date:
    if re.search(r"\d[T ]\d.*([zZ]|[+-]\d{2}:?\d{2})$", text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            raise Unreadable(f"{text!r} is no date", _REMEDY) from None
    found = _DATE.match(text)
    if not found:
        reason = "could be day or month first" if re.match(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}", text) else "is no date"
        raise Unreadable(f"{text!r} {reason}", _REMEDY)
    parts = found.groupdict()
    year, month, day = (int(parts[name] or parts[f"{name}2"]) for name in ("year", "month", "day"))
    try:
        on = date(year, month, day)
        rest = text[found.end() :].strip()
        return datetime.combine(on, _time_of(rest)) if rest else on
    except ValueError:
        raise Unreadable(f"{text!r} is no date", _REMEDY) from None


def _time_of(cell: Cell) -> time:
    """10:30, 10:30:15, 10时30分, 下午3:20, 1030."""
    if isinstance(cell, time):
        return cell
    if isinstance(cell, datetime):
        return cell.time()
    if isinstance(cell, timedelta):
        return (datetime.combine(EXCEL_EPOCH, time(0)) + cell).time()
    if isinstance(cell, float) and 0 <= cell < 1:
        return (datetime.combine(EXCEL_EPOCH, time(0)) + timedelta(seconds=round(cell * 86_400))).time()
    text = unicodedata.normalize("NFKC", text_of(cell))
    found = _TIME.fullmatch(text)
    if not found:
        raise Unreadable(f"{text!r} is no time of day", "write 10:30")
    if packed := found["packed"]:
        hour, minute, second = int(packed[:2]), int(packed[2:4]), int(packed[4:] or 0)
    else:
        hour, minute, second = int(found["hour"]), int(found["minute"] or 0), int(found["second"] or 0)
        half = (found["half"] or found["half2"] or "").lower()
        if half in ("下午", "pm") and hour < 12:
            hour += 12
        elif half in ("上午", "am") and hour == 12:
            hour = 0
    try:
        return time(hour, minute, second)
    except ValueError:
        raise Unreadable(f"{text!r} is no time of day", "write 10:30") from None
