-- 常住人口管理信息系统, the population register of a public security bureau, about 2006. SQLite.
-- Codes and dates are strings: CSRQ 19491231, DJSJ 20261124093000 (local time). No constraint checks a citizen number.
PRAGMA journal_mode = WAL;

CREATE TABLE T_DWDM (                -- 单位代码
    DWDM    CHAR(12) NOT NULL PRIMARY KEY,
    DWMC    VARCHAR(100) NOT NULL,        -- 单位名称
    TYXYDM  CHAR(18)              -- 统一社会信用代码
);

CREATE TABLE T_CZRK (                -- 常住人口
    RYID    INTEGER PRIMARY KEY AUTOINCREMENT,  -- 人员编号
    GMSFHM  CHAR(18) NOT NULL,    -- 公民身份号码
    XM      VARCHAR(60) NOT NULL, -- 姓名
    CYM     VARCHAR(60),          -- 曾用名
    XB      CHAR(1) NOT NULL,     -- 性别, GB/T 2261.1
    MZ      CHAR(2),              -- 民族, GB/T 3304
    CSRQ    CHAR(8) NOT NULL,     -- 出生日期
    HYZK    CHAR(2),              -- 婚姻状况, GB/T 2261.2
    POSFHM  CHAR(18),             -- 配偶身份号码
    HH      CHAR(9),              -- 户号
    YHZGX   CHAR(2),              -- 与户主关系, GB/T 4761
    SSXQ    CHAR(6),              -- 省市县（区）, GB/T 2260
    SQDM    CHAR(12),             -- 社区代码, 12 digits
    WGDM    CHAR(15),             -- 网格代码
    JDMC    VARCHAR(60),          -- 街道名称
    SQMC    VARCHAR(60),          -- 社区名称
    LMMP    VARCHAR(100),         -- 路名门牌
    LZ      VARCHAR(20),          -- 楼幢
    DYH     VARCHAR(10),          -- 单元号
    SHH     VARCHAR(10),          -- 室号
    MLXZ    VARCHAR(200),         -- 门楼详址
    DZBM    CHAR(24),             -- 地址编码
    RYZT    CHAR(1) NOT NULL DEFAULT '0', -- 人员状态: 0 正常, 1 死亡注销, 2 迁出
    DJSJ    CHAR(14),             -- 登记时间
    DJDW    CHAR(12),             -- 登记单位
    GXSJ    CHAR(14)              -- 更新时间
);
CREATE INDEX IX_CZRK_GMSFHM ON T_CZRK (GMSFHM);
CREATE INDEX IX_CZRK_HH ON T_CZRK (HH);

CREATE TABLE T_HKBG (                -- 户口变更
    BGLSH   INTEGER PRIMARY KEY AUTOINCREMENT,  -- 变更流水号
    RYID    INTEGER NOT NULL REFERENCES T_CZRK (RYID),
    BGLX    CHAR(2) NOT NULL,     -- 变更类型: 01 迁入, 02 区内移居, 03 立户, 04 出生, 05 流动人口登记, 06 探亲访友
    QRSSXQ  CHAR(6),              -- 迁入前省市县（区）
    HH      CHAR(9),
    YHZGX   CHAR(2),
    SSXQ    CHAR(6),              -- 省市县（区）, GB/T 2260
    SQDM    CHAR(12),             -- 社区代码, 12 digits
    WGDM    CHAR(15),             -- 网格代码
    JDMC    VARCHAR(60),          -- 街道名称
    SQMC    VARCHAR(60),          -- 社区名称
    LMMP    VARCHAR(100),         -- 路名门牌
    LZ      VARCHAR(20),          -- 楼幢
    DYH     VARCHAR(10),          -- 单元号
    SHH     VARCHAR(10),          -- 室号
    MLXZ    VARCHAR(200),         -- 门楼详址
    DZBM    CHAR(24),             -- 地址编码
    DJSJ    CHAR(14) NOT NULL,
    DJDW    CHAR(12) NOT NULL,
    CZY     VARCHAR(20)           -- 操作员
);

CREATE TABLE T_SWDJ (                -- 死亡登记
    SWLSH   INTEGER PRIMARY KEY AUTOINCREMENT,  -- 死亡登记流水号
    RYID    INTEGER NOT NULL REFERENCES T_CZRK (RYID),
    SWRQ    CHAR(8) NOT NULL,     -- 死亡日期
    SWYY    VARCHAR(10),          -- 死亡原因, ICD-10
    SWDD    CHAR(12),             -- 死亡地点
    ZMSBH   VARCHAR(20),          -- 死亡证明书编号
    HUOHRQ  CHAR(8),              -- 火化日期
    DJSJ    CHAR(14) NOT NULL,
    DJDW    CHAR(12) NOT NULL,
    CZY     VARCHAR(20)
);

CREATE TABLE T_JDC (                 -- 机动车
    HPHM    VARCHAR(15) NOT NULL, -- 号牌号码
    HPZL    CHAR(2) NOT NULL,     -- 号牌种类
    CLSBDH  CHAR(17),             -- 车辆识别代号
    CLXH    VARCHAR(60),          -- 车辆型号
    SYRSFHM CHAR(18) NOT NULL,    -- 所有人身份号码
    CCDJRQ  CHAR(8),              -- 初次登记日期
    PRIMARY KEY (HPHM, HPZL)
);

-- 部门来函: what other departments send, entered by hand until now. Nothing here keeps the same letter from being entered twice.
CREATE TABLE T_HYBG (                -- 婚姻变更来函
    LSH     INTEGER PRIMARY KEY AUTOINCREMENT,
    ZH      VARCHAR(30) NOT NULL, -- 字号
    NFSFHM  CHAR(18) NOT NULL,    -- 男方身份号码
    NVFSFHM CHAR(18) NOT NULL,    -- 女方身份号码
    NFHYZK  CHAR(2) NOT NULL,     -- 男方婚姻状况
    NVFHYZK CHAR(2) NOT NULL,     -- 女方婚姻状况
    DJRQ    CHAR(8) NOT NULL,     -- 登记日期
    LRSJ    VARCHAR(19) DEFAULT (datetime('now', 'localtime'))  -- 录入时间
);
CREATE TABLE T_ZLBA (                -- 租赁备案来函
    LSH     INTEGER PRIMARY KEY AUTOINCREMENT,
    BAH     VARCHAR(30) NOT NULL, -- 备案号
    CZRSFHM CHAR(18) NOT NULL,    -- 承租人身份号码
    DZBM    CHAR(24),             -- 地址编码
    QSRQ    CHAR(8),              -- 起始日期
    ZZRQ    CHAR(8),              -- 终止日期
    BARQ    CHAR(8),              -- 备案日期
    LRSJ    VARCHAR(19) DEFAULT (datetime('now', 'localtime'))
);
