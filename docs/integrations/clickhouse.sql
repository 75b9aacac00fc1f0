-- ClickHouse (25.3 or newer, for the type JSON): one table for all kinds.
CREATE TABLE patchspan
(
    record JSON,
    event_type LowCardinality(String) MATERIALIZED record.event_type::String,
    time DateTime64(6, 'UTC') MATERIALIZED parseDateTime64BestEffort(record.timestamp::String, 6, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (event_type, time)
TTL toDateTime(time) + INTERVAL 30 DAY;

-- Out of files, compressed ones too. Without the two settings times would be read as times of the server's zone.
INSERT INTO patchspan
SELECT json AS record FROM file('/var/log/patchspan/updates*.json*', JSONAsObject, 'json JSON')
SETTINGS input_format_try_infer_datetimes = 0, input_format_try_infer_dates = 0;

-- Updates: of each access the highest revision.
CREATE VIEW updates AS
SELECT record, time
FROM patchspan
WHERE event_type = 'update'
ORDER BY record.update.rev::UInt32 DESC
LIMIT 1 BY record.update.id::String;

-- Who downloaded what, last.
SELECT
    record.update.client::String AS client,
    record.update.product::String AS product,
    max(parseDateTime64BestEffort(record.update.end::String, 6, 'UTC')) AS last,
    sum(record.update.delivered_toclient::UInt64) AS bytes
FROM updates WHERE record.update.verdict::String = 'downloaded'
GROUP BY ALL ORDER BY last DESC;
