"""What columns are called: our fields, and the headers under which Chinese and English systems export them.

The order of the headers is the order of preference: where a file has both 手机 and 电话, 手机 is the phone.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence


def _names(text: str) -> tuple[str, ...]:
    """Headers, separated by commas over any number of lines."""
    return tuple(name.strip() for name in text.replace("\n", ",").split(",") if name.strip())


CUSTOMER: Mapping[str, tuple[str, ...]] = {
    "id": _names(
        """id, customer id, customer no, customer number, customer, member id, member no, customer key
        客户编号, 客户号, 客户id, 会员号, 会员编号, 会员卡号, 会员id, 患者编号, 病历号, 住院号, 编号"""
    ),
    "name": _names(
        """name, customer name, full name
        姓名, 客户姓名, 客户名称, 会员姓名, 患者姓名, 车主姓名, 车主, 联系人, 名字, 名称, 称呼"""
    ),
    "phone": _names(
        """phone, mobile, mobile phone, mobile number, cell, cell phone, phone number, tel, telephone
        手机号码, 手机号, 手机, 移动电话, 联系电话, 电话号码, 电话, 联系方式, 固定电话"""
    ),
    "telegram": _names("telegram, telegram id, chat id"),
    "whatsapp": _names("whatsapp, whatsapp number"),
    "email": _names("email, e-mail, mail, e-mail address, email address, 邮箱, 电子邮箱, 电子邮件, 邮件地址"),
    "title": _names("title, form of address, salutation, 尊称, 先生女士, 先生/女士, 性别, gender, sex"),
    "language": _names("language, lang, 语言"),
    "zone": _names("zone, time zone, timezone, 时区"),
    "class": _names(
        """class, customer class, level, grade, tier
        等级, 客户等级, 会员等级, 级别, 类别, 客户类别, 客户类型, 分类"""
    ),
    "program": _names("program, programs, programme, 方案, 回访方案, 项目, 业务"),
    "marketing_consent": _names(
        """marketing consent, marketing, consent, opt in
        营销同意, 同意营销, 接受营销, 同意接收营销信息, 是否同意营销"""
    ),
    "anonymous": _names("anonymous, 匿名, 是否匿名"),
    "leader_introduced": _names("leader introduced, introduced by a leader, 领导介绍, 是否领导介绍"),
    "vip_guest": _names("vip guest, guest of the house, VIP来宾, 贵宾, VIP客人"),
    "windows.times": _names(
        "contact times, contact time, preferred time, 联系时间, 方便联系时间, 可联系时间, 回访时间"
    ),
    "windows.days": _names("contact days, preferred days, 联系日, 可联系日, 方便联系日"),
    "windows.not": _names(
        "do not contact, do not call, do not disturb, busy times, 免打扰时间, 勿扰时间, 不便联系时间, 忙碌时间"
    ),
}

EVENT: Mapping[str, tuple[str, ...]] = {
    "id": _names(
        """id, event id, event no, transaction id, invoice, invoice no, invoice number
        流水号, 事件编号, 单号, 交易号, 结算单号, 工单号, 订单号, 订单编号, order id, order no, order number"""
    ),
    "type": _names("type, event type, event, 事件, 事件类型, 类型, 业务类型"),
    "customer": (*CUSTOMER["id"][1:], *CUSTOMER["phone"], "客户"),
    "at": _names(
        """at, occurred at, datetime, timestamp, date, event date, order date, purchase date
        发生时间, 下单时间, 消费时间, 购买时间, 结算时间, 出院时间, 就诊时间
        日期, 发生日期, 购买日期, 消费日期, 下单日期, 结算日期, 完工日期, 出院日期, 就诊日期, 登记日期, 时间, time"""
    ),
    "time": _names("time, time of day, 时间, 时刻"),
    "matter": _names("matter, 事项"),
}

DATA: Mapping[str, tuple[str, ...]] = {
    "amount": ("金额", "消费金额", "订单金额", "实付金额", "实付", "总价", "结算金额", "total", "price", "value"),
    "quantity": ("数量", "件数", "qty", "count"),
    "item": ("商品", "商品名称", "品名", "产品", "产品名称", "product", "product name", "description"),
    "order": ("订单号", "订单编号", "工单号", "order id", "order no", "order number"),
    "plate": ("车牌", "车牌号", "车牌号码", "plate number", "license plate"),
    "vehicle": ("车型", "车辆", "车系", "car", "model"),
    "technician": ("技师", "维修技师", "维修工"),
    "department": ("科室", "就诊科室", "出院科室", "ward"),
    "doctor": ("医生", "主治医生", "主诊医生", "接诊医生", "physician"),
    "attending_doctor": ("主治医生", "主管医生"),
    "days": ("天数", "随访天数"),
    "lost": ("流失", "是否流失"),
    "city": ("城市", "所在城市", "town"),
    "birthday": ("生日", "出生日期", "date of birth", "birth date", "dob"),
    "age": ("年龄",),
    "coupon": ("优惠券", "券码"),
}
"""Headers of event data and of attributes, beside the name of the field itself."""


def plain(header: str) -> str:
    """A header without case, spaces, marks and units: `手机号（必填）` is `手机号`, `Customer_ID` is `customer id`."""
    text = unicodedata.normalize("NFKC", header).strip().strip("*:\"'").lower()
    text = re.sub(r"\s*\([^)]*\)\s*$", "", text)
    return re.sub(r"[\s_\-.]+", " ", text).strip(" :*")


def match(header: Sequence[str], names: Mapping[str, Sequence[str]], taken: Iterable[int] = ()) -> dict[str, int]:
    """Field -> column; each column serves one field, the fields in their order, their headers in theirs."""
    columns = [plain(each) for each in header]
    used = set(taken)
    found: dict[str, int] = {}
    for field, candidates in names.items():
        for candidate in (plain(each) for each in candidates):
            column = next((i for i, name in enumerate(columns) if name == candidate and i not in used), None)
            if column is not None:
                found[field] = column
                used.add(column)
                break
    return found


def is_known(cells: Sequence[str]) -> bool:
    """Whether these look like the header of customers or events."""
    columns = {plain(cell) for cell in cells}
    known = {plain(name) for table in (CUSTOMER, EVENT, DATA) for names in table.values() for name in names}
    return bool(columns & known)


def spellings(fields: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The headers under which these data fields may stand."""
    return {field: (field, *DATA.get(field, ())) for field in fields}
