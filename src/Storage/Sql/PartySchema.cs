namespace VertFed.Storage.Sql;

/// <summary>A party's tables. Seeds are sealed (<see cref="SecretsKey"/>); times are milliseconds since 1970; enums the numbers of the .proto files.</summary>
internal static class PartySchema
{
    public static readonly MigrationSet Migrations = new("party", ErasesForGood: true,
    [
        """
        CREATE TABLE jobs (
            ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
            job TEXT NOT NULL UNIQUE,
            attempt INTEGER NOT NULL,
            role INTEGER NOT NULL,
            signed_spec BLOB NOT NULL,
            state INTEGER NOT NULL,
            received_ms BIGINT NOT NULL,
            ended_ms BIGINT NOT NULL DEFAULT 0,
            error_code TEXT,
            error_party TEXT,
            error_step TEXT,
            error_message TEXT
        );
        CREATE TABLE attempts (
            job TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            sealed_seed BLOB NOT NULL,
            spec_hash BLOB NOT NULL,
            policy_hash BLOB NOT NULL,
            data_root BLOB NOT NULL,
            software_version TEXT NOT NULL,
            PRIMARY KEY (job, attempt)
        );
        CREATE TABLE messages (
            job TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            inbound INTEGER NOT NULL,
            sequence BIGINT NOT NULL,
            core BLOB NOT NULL,
            attestation BLOB NOT NULL,
            payload BLOB NOT NULL,
            PRIMARY KEY (job, attempt, inbound, sequence),
            FOREIGN KEY (job, attempt) REFERENCES attempts (job, attempt)
        );
        CREATE TABLE results (
            job TEXT NOT NULL REFERENCES jobs (job),
            attempt INTEGER NOT NULL,
            state INTEGER NOT NULL,
            error_code TEXT,
            error_party TEXT,
            error_step TEXT,
            error_message TEXT,
            report BLOB NOT NULL,
            model BLOB,
            outcome BLOB NOT NULL,
            ended_ms BIGINT NOT NULL,
            PRIMARY KEY (job, attempt)
        );
        CREATE TABLE ledger (
            job TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            ordinal INTEGER NOT NULL,
            party TEXT NOT NULL,
            what TEXT NOT NULL,
            scalars BIGINT NOT NULL,
            step TEXT NOT NULL,
            PRIMARY KEY (job, attempt, ordinal),
            FOREIGN KEY (job, attempt) REFERENCES results (job, attempt)
        );
        CREATE TABLE secrets_check (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            sealed BLOB NOT NULL
        );
        """,
        """
        CREATE TABLE checkpoints (
            job TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            phase INTEGER NOT NULL,
            tree_size BIGINT NOT NULL,
            root_hash BLOB NOT NULL,
            note BLOB NOT NULL,
            co_signature BLOB NOT NULL,
            recorded_ms BIGINT NOT NULL,
            PRIMARY KEY (job, attempt, phase)
        );
        """,
        """
        -- States: 1 offered, 2 running, 3 done, 5 refused; phase 5 is the close, whose checkpoint covers the whole transcript.
        ALTER TABLE jobs ADD COLUMN accepted_ms BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE jobs ADD COLUMN held_ms BIGINT NOT NULL DEFAULT 0;
        UPDATE jobs SET accepted_ms = received_ms WHERE state NOT IN (1, 5);
        CREATE INDEX jobs_accepted ON jobs (accepted_ms);
        CREATE TABLE decisions (
            job TEXT NOT NULL REFERENCES jobs (job),
            attempt INTEGER NOT NULL,
            approved INTEGER NOT NULL,
            reason TEXT NOT NULL,
            decided_ms BIGINT NOT NULL,
            PRIMARY KEY (job, attempt)
        );
        CREATE TABLE models (
            job TEXT PRIMARY KEY REFERENCES jobs (job),
            attempt INTEGER NOT NULL,
            state INTEGER NOT NULL,
            transcript_root BLOB,
            trained_ms BIGINT NOT NULL
        );
        INSERT INTO models (job, attempt, state, transcript_root, trained_ms)
            SELECT r.job, r.attempt, 1,
                (SELECT c.root_hash FROM checkpoints AS c WHERE c.job = r.job AND c.attempt = r.attempt AND c.phase = 5), r.ended_ms
            FROM results AS r WHERE r.model IS NOT NULL AND r.state = 3;
        """,
        """
        -- What horizontal jobs cost a row: Renyi divergences, 8 bytes for each order of the accountant, little-endian.
        CREATE TABLE privacy (
            job TEXT PRIMARY KEY REFERENCES jobs (job),
            dataset TEXT NOT NULL,
            level INTEGER NOT NULL,
            planned BLOB NOT NULL,
            spent BLOB NOT NULL,
            rounds INTEGER NOT NULL,
            last_round INTEGER NOT NULL,
            updated_ms BIGINT NOT NULL
        );
        """,
    ]);
}
