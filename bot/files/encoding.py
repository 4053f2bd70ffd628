"""Which encoding a text file is in: decided strictly, said aloud, and refused where it would be a guess.

Byte order mark, then UTF-16 by its NUL bytes, then UTF-8 over the whole file, then GB18030 over the whole file - and
GB18030 only where what comes out is Chinese as people write it, since it makes characters of almost any bytes.
"""

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from charset_normalizer import from_bytes

from bot.errors import InputError

CHUNK = 1 << 20
SAMPLE = 1 << 16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
COMMON = set(
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经"
    "十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形"
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余杜叶程魏苏吕丁任卢姚姜崔钟谭陆汪范金石廖贾夏"
    "方邹熊白孟秦邱江尹薛阎段雷侯龙史陶黎贺顾毛郝龚邵万钱严武戴莫孔向汤小明华丽伟芳娜敏静秀英军强磊洋勇艳杰娟涛超霞平刚桂文辉"
    "市区路号省县街道店先生女士客户姓名手机电话编等级类别备注日期金额数量商品订单购买维修出院科室医院车牌型上海北京广州深圳杭州成都"
)
"""Characters that hardly a page of Chinese, or a list of names and addresses, is without."""


def recognise(path: Path, is_header: Callable[[Sequence[str]], bool]) -> str:
    """The encoding of the file, as Python calls it. `is_header`: are these cells of a header that we know?

    InputError where no encoding fits, or where GB18030 fits but does not give plausible text.
    """
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            _must_decode(path, encoding)
            return encoding
    if b"\0" in sample and (wide := _wide(sample)):
        _must_decode(path, wide)
        return wide
    if _decodes(path, "utf-8") is None:
        return "utf-8"
    if _decodes(path, "gb18030") is None and _is_chinese(sample, is_header):
        return "gb18030"
    raise _unknown(path, sample, _decodes(path, "utf-8"))


def _wide(sample: bytes) -> str | None:
    """UTF-16 without a mark: separators and digits have their NUL always before, or always after."""
    sample = sample[: len(sample) // 2 * 2]
    found = []
    for encoding in ("utf-16-le", "utf-16-be"):
        text = sample.decode(encoding, errors="replace")
        plain = sum(char in ",;\t|\r\n0123456789" for char in text)
        if "\0" not in text and text.count("\ufffd") <= 1 and plain:
            found.append((plain, encoding))
    return max(found)[1] if found else None


def _must_decode(path: Path, encoding: str) -> None:
    at = _decodes(path, encoding)
    if at is not None:
        reason = f"says that it is {encoding.upper()}, but is not from line {at} on"
        raise InputError(
            [{"file": path.name, "field": "encoding", "reason": reason, "remedy": "save it again as UTF-8"}]
        )


def check_decodes(path: Path, encoding: str) -> None:
    """InputError when the file is not in the encoding that a mapping names."""
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        fault = {"field": "encoding", "reason": f"{encoding!r} is no encoding", "remedy": "utf-8, gb18030, big5 ..."}
        raise InputError([fault]) from error
    at = _decodes(path, encoding)
    if at is not None:
        reason = f"is not in {encoding} from line {at} on"
        raise InputError([{"file": path.name, "field": "encoding", "reason": reason, "remedy": "mend the mapping"}])


def _decodes(path: Path, encoding: str) -> int | None:
    """None when every byte fits; else the line of the first that does not."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    lines = 1
    for chunk in _chunks(path):
        try:
            lines += decoder.decode(chunk, final=not chunk).count("\n")
        except UnicodeDecodeError as error:
            good = error.object[: error.start].decode(encoding, errors="ignore")
            return lines + good.count("\n")
    return None


def _chunks(path: Path) -> Iterator[bytes]:
    """The file in pieces, and an empty one at its end."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
    yield b""


def _is_chinese(sample: bytes, is_header: Callable[[Sequence[str]], bool]) -> bool:
    """A header that we know, with Chinese in it; or characters of everyday Chinese throughout."""
    text = codecs.getincrementaldecoder("gb18030")("strict").decode(sample)
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first.isascii() and is_header([cell.strip(' "') for cell in re.split(r"[,;|\t]", first)]):
        return True
    foreign = [char for char in text if ord(char) > 127]
    hanzi = [char for char in foreign if "\u4e00" <= char <= "\u9fff"]
    if not hanzi:
        return False
    everyday = sum(_in_gb2312(char) for char in foreign) / len(foreign)
    common = sum(char in COMMON for char in hanzi) / len(hanzi)
    return everyday >= 0.7 and common >= 0.2


def _in_gb2312(char: str) -> bool:
    try:
        char.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _unknown(path: Path, sample: bytes, line: int | None) -> InputError:
    best = from_bytes(sample).best()
    guess = f" (perhaps {best.encoding})" if best and best.encoding not in ("utf_8", "gb18030", "gbk") else ""
    return InputError(
        [
            {
                "file": path.name,
                "field": "encoding",
                "reason": f"is not UTF-8 from line {line} on, and no other encoding is certain{guess}",
                "remedy": "save it as UTF-8, or name the encoding in a mapping file (encoding: gb18030)",
            }
        ]
    )
