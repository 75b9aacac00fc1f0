-- DuckDB: records out of files, compressed ones too.
SET timezone = 'UTC';

-- Everything: columns and types are found out from all lines. A kind that no line has is no column.
CREATE OR REPLACE VIEW records AS
SELECT * FROM read_json('/var/log/patchspan/updates*.json*', format = 'newline_delimited', union_by_name = true, sample_size = -1);

-- Updates alone, with columns that are always there. Keys that are not named here are passed over.
CREATE OR REPLACE VIEW updates AS
SELECT timestamp, src_ip, dest_ip, dest_port, update.*
FROM read_json('/var/log/patchspan/updates*.json*', format = 'newline_delimited', columns = {
    event_type: 'VARCHAR', timestamp: 'TIMESTAMPTZ', src_ip: 'VARCHAR', dest_ip: 'VARCHAR', dest_port: 'INTEGER',
    update: 'STRUCT(id VARCHAR, rev INTEGER, final BOOLEAN, reported TIMESTAMPTZ, client VARCHAR, client_id VARCHAR,
        vendor VARCHAR, product VARCHAR, security VARCHAR, role VARCHAR, verdict VARCHAR, confidence VARCHAR, fqdn VARCHAR,
        "start" TIMESTAMPTZ, "end" TIMESTAMPTZ, duration_s DOUBLE, delivered_toclient BIGINT, evidence VARCHAR[], session VARCHAR,
        flow_ids BIGINT[])'})
WHERE event_type = 'update';

-- Who downloaded what, last.
SELECT client, product, max("end") AS last, sum(delivered_toclient) AS bytes
FROM updates WHERE final AND verdict = 'downloaded' GROUP BY ALL ORDER BY last DESC;
