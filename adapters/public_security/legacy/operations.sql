-- The register's own business operations, as its clerks' screens run them, each in one transaction. Portable over SQLite,
-- PostgreSQL and MariaDB; parameters by name. Statements between two "-- operation" lines belong together.

-- operation: move
-- :ryid a person; :bglx 01 to 06; address of the new home. A visit (06) leaves the person where he is registered.
INSERT INTO T_HKBG (RYID, BGLX, QRSSXQ, HH, YHZGX, SSXQ, SQDM, WGDM, JDMC, SQMC, LMMP, LZ, DYH, SHH, MLXZ, DZBM, DJSJ, DJDW, CZY)
VALUES (:ryid, :bglx, :qrssxq, :hh, :yhzgx, :ssxq, :sqdm, :wgdm, :jdmc, :sqmc, :lmmp, :lz, :dyh, :shh, :mlxz, :dzbm, :djsj, :djdw, :czy);
UPDATE T_CZRK SET HH = :hh, YHZGX = :yhzgx, SSXQ = :ssxq, SQDM = :sqdm, WGDM = :wgdm, JDMC = :jdmc, SQMC = :sqmc,
    LMMP = :lmmp, LZ = :lz, DYH = :dyh, SHH = :shh, MLXZ = :mlxz, DZBM = :dzbm, GXSJ = :djsj
WHERE RYID = :ryid AND :bglx <> '06';

-- operation: enter
-- A person who is new to the register: moved in from elsewhere or born. Followed by move.
INSERT INTO T_CZRK (RYID, GMSFHM, XM, XB, MZ, CSRQ, HYZK, HH, YHZGX, SSXQ, RYZT, DJSJ, DJDW, GXSJ)
VALUES (:ryid, :gmsfhm, :xm, :xb, :mz, :csrq, :hyzk, :hh, :yhzgx, :ssxq, '0', :djsj, :djdw, :djsj);

-- operation: die
INSERT INTO T_SWDJ (RYID, SWRQ, SWYY, SWDD, ZMSBH, HUOHRQ, DJSJ, DJDW, CZY)
VALUES (:ryid, :swrq, :swyy, :swdd, :zmsbh, :huohrq, :djsj, :djdw, :czy);
UPDATE T_CZRK SET RYZT = '1', GXSJ = :djsj WHERE RYID = :ryid;

-- operation: marriage_letter
-- What a clerk does with a letter of the marriage registry; dates as 20261124.
INSERT INTO T_HYBG (ZH, NFSFHM, NVFSFHM, NFHYZK, NVFHYZK, DJRQ) VALUES (:zh, :nfsfhm, :nvfsfhm, :nfhyzk, :nvfhyzk, :djrq);
UPDATE T_CZRK SET HYZK = :nfhyzk, POSFHM = :nvfsfhm WHERE GMSFHM = :nfsfhm AND RYZT = '0';
UPDATE T_CZRK SET HYZK = :nvfhyzk, POSFHM = :nfsfhm WHERE GMSFHM = :nvfsfhm AND RYZT = '0';

-- operation: lease_letter
-- What a clerk does with a letter of the housing office; dates as 20261124.
INSERT INTO T_ZLBA (BAH, CZRSFHM, DZBM, QSRQ, ZZRQ, BARQ) VALUES (:bah, :czrsfhm, :dzbm, :qsrq, :zzrq, :barq);
