-- Our wrapping of the register on MariaDB: each change leaves a row in the outbox, in the transaction of the change. The rows
-- are snapshots: later changes don't alter them. Dates become ISO 8601, times RFC 3339, so that one adapter.yaml serves
-- all databases. The gate's row is locked until commit, so ids rise
-- in the order of commits: who reads beyond the highest id misses none.
CREATE TABLE hutong_outbox_gate (last_id BIGINT NOT NULL) ENGINE = InnoDB;
INSERT INTO hutong_outbox_gate VALUES (0);

CREATE TABLE hutong_outbox (
    id                 BIGINT NOT NULL PRIMARY KEY,
    kind               VARCHAR(16) NOT NULL, -- residence, death
    entry_number       VARCHAR(24) NOT NULL, -- of the register: BG or SW and its number
    citizen_number     VARCHAR(18) NOT NULL,
    name               VARCHAR(60),
    former_name        VARCHAR(60),
    sex                VARCHAR(1),
    ethnicity          VARCHAR(2),
    birth_date         VARCHAR(10),
    marital_status     VARCHAR(2),
    household_number   VARCHAR(9),
    relation           VARCHAR(2),
    change_type        VARCHAR(2),  -- T_HKBG.BGLX; NULL: a death
    previous_division  VARCHAR(6),
    division           VARCHAR(12), -- the community where there is one, else the district
    grid               VARCHAR(15),
    street             VARCHAR(60),
    community          VARCHAR(60),
    road               VARCHAR(100),
    building           VARCHAR(20),
    unit               VARCHAR(10),
    room               VARCHAR(10),
    address            VARCHAR(200),
    unit_code          VARCHAR(24),
    registered_at      VARCHAR(25), -- RFC 3339
    organ_code         VARCHAR(18),
    organ_name         VARCHAR(100),
    died_on            VARCHAR(10), -- NULL: no death
    cause              VARCHAR(10),
    place_division     VARCHAR(12),
    certificate_number VARCHAR(20),
    cremated_on        VARCHAR(10)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

DELIMITER $$
CREATE TRIGGER hutong_residence AFTER INSERT ON T_HKBG FOR EACH ROW
BEGIN
    UPDATE hutong_outbox_gate SET last_id = last_id + 1;
    INSERT INTO hutong_outbox (id, kind, entry_number, citizen_number, name, former_name, sex, ethnicity, birth_date,
        marital_status, household_number, relation, change_type, previous_division, division, grid,
        street, community, road, building, unit, room, address, unit_code, registered_at, organ_code,
        organ_name)
    SELECT (SELECT last_id FROM hutong_outbox_gate), 'residence', CONCAT('BG', NEW.BGLSH), p.GMSFHM, p.XM,
        p.CYM, p.XB, p.MZ,
        CONCAT(SUBSTR(p.CSRQ, 1, 4), '-', SUBSTR(p.CSRQ, 5, 2), '-', SUBSTR(p.CSRQ, 7, 2)), p.HYZK,
        NEW.HH, NEW.YHZGX, NEW.BGLX, NEW.QRSSXQ, COALESCE(NEW.SQDM, NEW.SSXQ), NEW.WGDM, NEW.JDMC,
        NEW.SQMC, NEW.LMMP, NEW.LZ, NEW.DYH, NEW.SHH, NEW.MLXZ, NEW.DZBM,
        CONCAT(SUBSTR(NEW.DJSJ, 1, 4), '-', SUBSTR(NEW.DJSJ, 5, 2), '-', SUBSTR(NEW.DJSJ, 7, 2), 'T', SUBSTR(NEW.DJSJ, 9, 2), ':', SUBSTR(NEW.DJSJ, 11, 2), ':', SUBSTR(NEW.DJSJ, 13, 2), '+08:00'),
        o.TYXYDM, o.DWMC
    FROM T_CZRK p LEFT JOIN T_DWDM o ON o.DWDM = NEW.DJDW WHERE p.RYID = NEW.RYID;
END $$
CREATE TRIGGER hutong_death AFTER INSERT ON T_SWDJ FOR EACH ROW
BEGIN
    UPDATE hutong_outbox_gate SET last_id = last_id + 1;
    INSERT INTO hutong_outbox (id, kind, entry_number, citizen_number, name, former_name, sex, ethnicity, birth_date,
        marital_status, household_number, relation, division, grid, street, community, road, building,
        unit, room, address, unit_code, registered_at, organ_code, organ_name, died_on, cause,
        place_division, certificate_number, cremated_on)
    SELECT (SELECT last_id FROM hutong_outbox_gate), 'death', CONCAT('SW', NEW.SWLSH), p.GMSFHM, p.XM,
        p.CYM, p.XB, p.MZ,
        CONCAT(SUBSTR(p.CSRQ, 1, 4), '-', SUBSTR(p.CSRQ, 5, 2), '-', SUBSTR(p.CSRQ, 7, 2)), p.HYZK, p.HH,
        p.YHZGX, COALESCE(p.SQDM, p.SSXQ), p.WGDM, p.JDMC, p.SQMC, p.LMMP, p.LZ, p.DYH, p.SHH, p.MLXZ,
        p.DZBM,
        CONCAT(SUBSTR(NEW.DJSJ, 1, 4), '-', SUBSTR(NEW.DJSJ, 5, 2), '-', SUBSTR(NEW.DJSJ, 7, 2), 'T', SUBSTR(NEW.DJSJ, 9, 2), ':', SUBSTR(NEW.DJSJ, 11, 2), ':', SUBSTR(NEW.DJSJ, 13, 2), '+08:00'),
        o.TYXYDM, o.DWMC,
        CONCAT(SUBSTR(NEW.SWRQ, 1, 4), '-', SUBSTR(NEW.SWRQ, 5, 2), '-', SUBSTR(NEW.SWRQ, 7, 2)),
        NEW.SWYY, NEW.SWDD, NEW.ZMSBH,
        CONCAT(SUBSTR(NEW.HUOHRQ, 1, 4), '-', SUBSTR(NEW.HUOHRQ, 5, 2), '-', SUBSTR(NEW.HUOHRQ, 7, 2))
    FROM T_CZRK p LEFT JOIN T_DWDM o ON o.DWDM = NEW.DJDW WHERE p.RYID = NEW.RYID;
END $$
DELIMITER ;
