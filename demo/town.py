#!/usr/bin/python3
"""Makes a town of residents in the real streets and communities of one district, the same for the same seed, and writes it
into the three departments' systems:

  OUT/register.sqlite   public security's population register (with outbox and inbox)
  OUT/civil/            civil affairs' home: ledger with allowances
  OUT/housing.sqlite    housing's tenancy store: units, titles, tenancies

Persons are invented; citizen numbers have right check characters, and birth dates and sexes that agree with them.
"""
import argparse
import datetime
import pathlib
import random
import sqlite3
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LEGACY = {agency: ROOT / "adapters" / agency / "legacy" for agency in ("public_security", "civil_affairs", "housing")}
sys.path[:0] = [str(LEGACY["civil_affairs"]), str(LEGACY["housing"])]
import civil  # noqa: E402
import housing  # noqa: E402

DISTRICT = "330106"
TODAY = datetime.date(2026, 11, 24)

# Share of each surname per thousand, roughly that of the census; the rest of the thousand falls to RARE_SURNAMES.
SURNAMES = {"王": 72, "李": 71, "张": 67, "刘": 54, "陈": 52, "杨": 31, "赵": 22, "黄": 22, "周": 21, "吴": 20, "徐": 18, "孙": 17,
            "胡": 13, "朱": 14, "高": 12, "林": 12, "何": 12, "郭": 11, "马": 11, "罗": 9, "梁": 9, "宋": 8, "郑": 9, "谢": 8, "韩": 8,
            "唐": 8, "冯": 7, "于": 7, "董": 7, "萧": 6, "程": 6, "曹": 6, "袁": 6, "邓": 6, "许": 6, "傅": 6, "沈": 9, "曾": 5, "彭": 5,
            "吕": 5, "苏": 5, "卢": 5, "蒋": 7, "蔡": 5, "贾": 4, "丁": 5, "魏": 4, "薛": 4, "叶": 6, "阎": 3, "余": 4, "潘": 4, "杜": 4,
            "戴": 4, "夏": 3, "钟": 4, "汪": 4, "田": 4, "任": 4, "姜": 4, "范": 3, "方": 4, "石": 3, "姚": 4, "谭": 3, "廖": 3, "邹": 3,
            "熊": 3, "金": 4, "陆": 5, "郝": 2, "孔": 2, "白": 2, "崔": 2, "康": 2, "毛": 3, "邱": 3, "秦": 2, "江": 3, "史": 2, "顾": 3,
            "侯": 2, "邵": 3, "孟": 2, "龙": 2, "万": 2, "段": 2, "章": 3, "钱": 4, "汤": 2, "尹": 2, "黎": 2, "易": 1, "常": 1, "武": 1}
RARE_SURNAMES = "欧阳 司马 上官 诸葛 盛 俞 楼 骆 娄 祝 闻 屠 裘 竺 项 费 柴 郎 凌 虞 应 鲍 洪 褚 卜 牟 佟 逯 麴 亓 厍 𡧛".split()
GIVEN_MALE = "伟 强 磊 军 勇 杰 涛 明 超 刚 平 辉 鹏 华 飞 鑫 波 斌 宇 浩 凯 健 俊 帆 帅 旭 宁 龙 林 欢 佳 阳 建国 建华 志强 志明 国庆 海波 文斌 子轩 浩然 宇航 俊杰 梓豪 博文 一诺 天佑 思源 立群 永康 长生 德胜 金根 阿毛 水根".split()
GIVEN_FEMALE = "芳 娜 敏 静 丽 艳 娟 霞 燕 玲 桂英 秀英 秀兰 玉兰 桂兰 红 梅 婷 雪 倩 颖 洁 琳 莹 慧 欣 怡 悦 蕾 丹 萍 建英 美华 丽华 小燕 晓红 雅琴 梦瑶 诗涵 欣怡 子涵 梓萱 可馨 若曦 思琪 语桐 阿珍 彩凤 月娥 金娣 招弟".split()
# Characters that old systems lack: outside GBK, four bytes in GB18030; the last ones are outside the Basic Multilingual Plane.
RARE_GIVEN = "㐂 䶮 㛃 㬚 㼆 䴉 𠮷 𤧞 𫍯 𬀩 𬭎 𠅤 𫘦 𣸣".split()
ETHNICITY = [("01", 9780), ("15", 40), ("06", 35), ("03", 30), ("22", 25), ("11", 20), ("08", 20), ("09", 12), ("12", 12), ("07", 10),
             ("02", 8), ("10", 4), ("05", 2), ("97", 1), ("98", 1)]
ROADS = "文三路 文二路 天目山路 古墩路 教工路 学院路 莫干山路 保俶路 曙光路 体育场路 丰潭路 竞舟路 萍水街 紫金港路 留和路 转塘直街 之江路 双浦路 龙井路 灵隐路".split()
# Where a citizen number was first issued: mostly here, some elsewhere, some in districts that are no more.
BIRTH_DIVISIONS = [("330106", 560), ("330102", 60), ("330105", 60), ("330103", 40), ("330104", 40), ("330109", 40), ("330110", 40),
                   ("330602", 20), ("330702", 20), ("340102", 20), ("360102", 15), ("411502", 15), ("420106", 15), ("510104", 15),
                   ("522101", 10), ("321002", 15), ("310101", 15)]
STATIONS = [("330106450000", "杭州市公安局西湖区分局文新派出所"), ("330106460000", "杭州市公安局西湖区分局古荡派出所"),
            ("330106470000", "杭州市公安局西湖区分局转塘派出所"), ("330106480000", "杭州市公安局西湖区分局留下派出所")]
ORGAN_CODE = "11330106002497001A"


def weighted(rng, pairs):
    values, weights = zip(*pairs)
    return rng.choices(values, weights)[0]


def read_divisions():
    streets, communities = {}, []
    for line in (ROOT / "demo/data" / f"divisions_{DISTRICT}.tsv").read_text("utf-8").splitlines():
        if line.startswith(("#", "code")):
            continue
        code, name = line.split("\t")
        if len(code) == 9:
            streets[code] = name
        elif len(code) == 12:
            communities.append((code, name, streets[code[:9]]))
    return communities


class Town:
    """All persons, dwellings and households, before they are written anywhere."""

    def __init__(self, seed, residents):
        self.rng = random.Random(f"town {seed}")
        self.communities = read_divisions()
        self.used = set()
        self.persons, self.households, self.dwellings = [], [], []
        while len(self.persons) < residents:
            self.add_household()
        self.spare_dwellings = [self.new_dwelling() for _ in range(max(50, residents // 5))]

    # ---- Persons ----

    def citizen_number(self, born, male, wrong=False):
        while True:
            division = weighted(self.rng, BIRTH_DIVISIONS)
            sequence = self.rng.randrange(0, 500) * 2 + (1 if male else 0)
            first = f"{division}{born:%Y%m%d}{sequence:03d}"
            check = civil.check_character(first)
            if wrong:
                check = self.rng.choice([c for c in "0123456789X" if c != check])
            if first not in self.used:
                self.used.add(first)
                return first + check

    def name(self, male, surname=None):
        if surname is None:
            common = sum(SURNAMES.values())
            surname = weighted(self.rng, SURNAMES.items()) if self.rng.randrange(1000) < min(common, 970) \
                else self.rng.choice(RARE_SURNAMES)
        roll = self.rng.random()
        if roll < 0.006:
            return surname + self.rng.choice(RARE_GIVEN)
        given = self.rng.choice(GIVEN_MALE if male else GIVEN_FEMALE)
        if roll < 0.3 and len(given) == 1:
            given += self.rng.choice(GIVEN_MALE if male else GIVEN_FEMALE)[0]
        return surname + given

    def person(self, male, age, surname=None, marital="10", ethnicity=None, wrong=False):
        born = TODAY - datetime.timedelta(days=int(age * 365.25) + self.rng.randrange(1, 365))
        return {"number": self.citizen_number(born, male, wrong), "name": self.name(male, surname),
                "sex": "1" if male else "2", "born": born, "ethnicity": ethnicity or weighted(self.rng, ETHNICITY),
                "marital": marital, "spouse": None, "status": "0"}

    # ---- Dwellings and households ----

    def new_dwelling(self):
        code, community, street = self.rng.choice(self.communities)
        while True:
            building, unit = self.rng.randrange(1, 40), self.rng.randrange(1, 5)
            floor, door = self.rng.randrange(1, 19), self.rng.randrange(1, 5)
            room = f"{floor}{door:02d}"
            unit_code = f"{code}{building:05d}{unit:02d}{int(room):05d}"
            if unit_code not in self.used:
                break
        self.used.add(unit_code)
        road = f"{self.rng.choice(ROADS)}{self.rng.randrange(1, 600)}号"
        return {"division": code, "community": community, "street": street, "road": road, "building": str(building),
                "unit": str(unit), "room": room, "unit_code": unit_code, "grid": f"{code}{self.rng.randrange(1, 6):03d}",
                "address": f"浙江省杭州市西湖区{street}{community}{road}{building}幢{unit}单元{room}室",
                "area": f"{self.rng.randrange(4500, 18000) / 100:.2f}",
                "estate": f"{DISTRICT}{self.rng.randrange(10**6):06d}GB{self.rng.randrange(10**5):05d}F{self.rng.randrange(10**8):08d}"}

    def couple(self, age):
        man = self.person(True, age, marital="21")
        woman = self.person(False, max(20, age - self.rng.randrange(-2, 6)), marital="21")
        man["spouse"], woman["spouse"] = woman["number"], man["number"]
        return man, woman

    def add_household(self):
        roll = self.rng.random()
        members = []  # (person, relation by GB/T 4761)
        if roll < 0.3:  # alone
            age = self.rng.choice([self.rng.randrange(18, 45), self.rng.randrange(60, 95)])
            marital = "10" if age < 45 else self.rng.choice(["30", "40", "10"])
            members = [(self.person(self.rng.random() < 0.52, age, marital=marital), "02")]
        else:
            age = self.rng.randrange(24, 80)
            man, woman = self.couple(age)
            members = [(man, "02"), (woman, "12")] if self.rng.random() < 0.8 else [(woman, "02"), (man, "11")]
            self.add_children(members, man, age, roll)
            if roll > 0.9 and age < 60:
                members.append((self.person(False, age + 25, marital="30"), "52" if self.rng.random() < 0.5 else "56"))
        dwelling = self.new_dwelling()
        household = {"number": f"{len(self.households) + 100000000:09d}", "dwelling": dwelling, "members": members}
        for person, relation in members:
            person.update(id=len(self.persons) + 1, household=household, relation=relation, dwelling=dwelling)
            self.persons.append(person)
        self.dwellings.append(dwelling)
        self.households.append(household)

    def add_children(self, members, man, age, roll):
        if roll < 0.5 or age > 60:
            return
        count = 1 if roll < 0.85 else 2
        surname = man["name"][:2] if man["name"][:2] in RARE_SURNAMES else man["name"][0]
        for i in range(count):
            male = self.rng.random() < 0.52
            codes = ("21", "31") if count == 1 else (("22", "32") if i == 0 else ("23", "33"))
            child = self.person(male, max(0, age - 25 - 3 * i - self.rng.randrange(4)), surname, ethnicity=man["ethnicity"])
            members.append((child, codes[0 if male else 1]))

    def station(self, division):
        return STATIONS[int(division[6:9]) % len(STATIONS)][0]


# ---- Writing it into the departments' systems ----

def address_row(dwelling):
    return (dwelling["division"][:6], dwelling["division"], dwelling["grid"], dwelling["street"], dwelling["community"],
            dwelling["road"], dwelling["building"], dwelling["unit"], dwelling["room"], dwelling["address"],
            dwelling["unit_code"])


def write_register(town, path):
    folder = LEGACY["public_security"]
    db = sqlite3.connect(path)
    for part in ("register", "outbox", "inbox"):
        db.executescript((folder / f"{part}.sqlite.sql").read_text("utf-8"))
    with db:
        db.executemany("INSERT INTO T_DWDM VALUES (?, ?, ?)", [(*station, ORGAN_CODE) for station in STATIONS])
        db.executemany(
            "INSERT INTO T_CZRK (RYID, GMSFHM, XM, XB, MZ, CSRQ, HYZK, POSFHM, HH, YHZGX, SSXQ, SQDM, WGDM, JDMC, SQMC, LMMP,"
            " LZ, DYH, SHH, MLXZ, DZBM, DJSJ, DJDW) VALUES (" + ", ".join("?" * 23) + ")",
            [(p["id"], p["number"], p["name"], p["sex"], p["ethnicity"], f"{p['born']:%Y%m%d}", p["marital"], p["spouse"],
              p["household"]["number"], p["relation"], *address_row(p["dwelling"]), "20100101000000",
              town.station(p["dwelling"]["division"])) for p in town.persons])
        db.executemany("INSERT INTO T_JDC VALUES (?, '02', ?, '大众汽车牌SVW7167', ?, ?)", vehicles(town))
    db.close()


def vehicles(town):
    rng = random.Random("vehicles")
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ"
    for i, household in enumerate(town.households):
        owner = household["members"][0][0]
        if rng.random() < 0.4:
            vin = "LSVAA49J" + "".join(rng.choice("0123456789" + letters.replace("O", "")) for _ in range(9))
            yield (f"浙A{letters[i // 10000 % 23]}{i % 10000:04d}", vin, owner["number"], f"{rng.randrange(2008, 2026)}0601")


def write_civil(town, home):
    office = civil.Civil(home)
    rng = random.Random("allowances")
    with office.db:
        for i, household in enumerate(h for h in town.households if rng.random() < 0.06):
            person = household["members"][0][0]
            office.db.execute(
                "INSERT INTO allowances (number, applicant_name, applicant_number, sex, category, persons, yuan, start_on,"
                " division, dropped) VALUES (?, ?, ?, ?, '城市低保', ?, ?, '2025/01/01', ?, 1)",
                (f"DB{DISTRICT}{i:05d}", person["name"], person["number"], "男" if person["sex"] == "1" else "女",
                 len(household["members"]), f"{1200 * len(household['members'])}.00", household["dwelling"]["division"]))
    office.close()


def write_housing(town, path):
    store = housing.Store(path)
    rng = random.Random("tenancies")
    store.db.execute("BEGIN")
    for dwelling in town.dwellings + town.spare_dwellings:
        store.db.execute("INSERT INTO units VALUES (?, ?, ?, ?, '1')",
                         (dwelling["unit_code"], dwelling["estate"], dwelling["division"], dwelling["area"]))
    for i, household in enumerate(town.households):
        person = household["members"][0][0]
        unit = household["dwelling"]["unit_code"]
        if rng.random() < 0.25:
            landlord = rng.choice(town.households)["members"][0][0]
            store.db.execute("INSERT INTO tenancies (record_no, tenant_card, tenant_name, tenant_sex, landlord_card, unit_code,"
                             " begin_on, end_on, rent) VALUES (?, ?, ?, ?, ?, ?, '2026-01-01', '2027-12-31', ?)",
                             (f"ZL{DISTRICT}2025{i:06d}", person["number"], person["name"], "M" if person["sex"] == "1" else "F",
                              landlord["number"], unit, f"{rng.randrange(1500, 9000)}.00"))
        else:
            store.db.execute("INSERT INTO titles VALUES (?, ?, ?, '2015-06-01')",
                             (f"浙(2015)杭州市不动产权第{i:07d}号", unit, person["number"]))
        if rng.random() < 0.5:
            store.db.execute("INSERT INTO fund_accounts VALUES (?, ?, ?, ?)",
                             (f"{DISTRICT}{i:08d}", person["number"], f"{rng.randrange(500, 300000)}.00",
                              f"{rng.randrange(300, 5000)}.00"))
    store.db.execute("COMMIT")
    store.db.close()


def build(seed, residents, out):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("register.sqlite", "housing.sqlite", "civil"):
        if (out / name).exists():
            raise FileExistsError(f"{out / name} is there already: give an empty folder")
    town = Town(seed, residents)
    write_register(town, out / "register.sqlite")
    write_civil(town, out / "civil")
    write_housing(town, out / "housing.sqlite")
    return town


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--residents", type=int, default=10000)
    parser.add_argument("--out", required=True, help="an empty folder")
    args = parser.parse_args()
    try:
        town = build(args.seed, args.residents, args.out)
    except FileExistsError as error:
        print(f"town.py: {error}", file=sys.stderr)
        return 2
    print(f"residents={len(town.persons)} households={len(town.households)} communities={len(town.communities)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
