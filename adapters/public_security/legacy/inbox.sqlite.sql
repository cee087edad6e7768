-- Which deliveries have had their effect: written in the transaction of the effect, so that one happens once. The adapter
-- removes rows up to the position that the broker says is settled. SQLite.
CREATE TABLE hutong_inbox (
    bus      CHAR(32) NOT NULL, -- the broker's journal: 16 bytes in hex
    position BIGINT NOT NULL,   -- of the delivery in this system's queue
    done_at  VARCHAR(19) DEFAULT (datetime('now')),
    PRIMARY KEY (bus, position)
);
