namespace VertFed.Storage.Sql;

/// <summary>The coordinator's tables. Hashes are 32 bytes; times milliseconds since 1970; enums the numbers of the .proto files.</summary>
internal static class CoordinatorSchema
{
    public static readonly MigrationSet Migrations = new("coordinator", ErasesForGood: false,
    [
        """
        CREATE TABLE jobs (
            ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
            job TEXT NOT NULL UNIQUE,
            attempt INTEGER NOT NULL,
            state INTEGER NOT NULL,
            signed_spec BLOB NOT NULL,
            spec_hash BLOB NOT NULL,
            submitter TEXT NOT NULL,
            title TEXT NOT NULL,
            label_party TEXT NOT NULL,
            feature_party TEXT NOT NULL,
            deadline_seconds INTEGER NOT NULL,
            submitted_ms BIGINT NOT NULL,
            started_ms BIGINT NOT NULL DEFAULT 0,
            ended_ms BIGINT NOT NULL DEFAULT 0,
            phase INTEGER NOT NULL DEFAULT 0,
            step INTEGER NOT NULL DEFAULT 0,
            round BIGINT NOT NULL DEFAULT 0,
            bytes BIGINT NOT NULL DEFAULT 0,
            envelopes BIGINT NOT NULL DEFAULT 0,
            label_answer INTEGER NOT NULL DEFAULT 0,
            feature_answer INTEGER NOT NULL DEFAULT 0,
            label_outcome INTEGER NOT NULL DEFAULT 0,
            feature_outcome INTEGER NOT NULL DEFAULT 0,
            error_code TEXT,
            error_party TEXT,
            error_step TEXT,
            error_message TEXT,
            pruned INTEGER NOT NULL DEFAULT 0
        );
        CREATE INDEX jobs_state ON jobs (state, ended_ms);
        CREATE TABLE streams (
            job TEXT NOT NULL REFERENCES jobs (job),
            attempt INTEGER NOT NULL,
            sender INTEGER NOT NULL,
            next_sequence BIGINT NOT NULL,
            next_to_deliver BIGINT NOT NULL,
            last_core_hash BLOB NOT NULL,
            PRIMARY KEY (job, attempt, sender)
        );
        CREATE TABLE envelopes (
            job TEXT NOT NULL REFERENCES jobs (job),
            attempt INTEGER NOT NULL,
            sender INTEGER NOT NULL,
            sequence BIGINT NOT NULL,
            core BLOB NOT NULL,
            core_hash BLOB NOT NULL,
            attestation BLOB NOT NULL,
            step INTEGER NOT NULL,
            payload_size BIGINT NOT NULL,
            parts INTEGER NOT NULL,
            deposited_ms BIGINT NOT NULL,
            PRIMARY KEY (job, attempt, sender, sequence)
        );
        CREATE TABLE payload_parts (
            job TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            sender INTEGER NOT NULL,
            sequence BIGINT NOT NULL,
            part INTEGER NOT NULL,
            data BLOB NOT NULL,
            PRIMARY KEY (job, attempt, sender, sequence, part),
            FOREIGN KEY (job, attempt, sender, sequence) REFERENCES envelopes (job, attempt, sender, sequence)
        );
        CREATE TABLE outcomes (
            job TEXT NOT NULL REFERENCES jobs (job),
            attempt INTEGER NOT NULL,
            role INTEGER NOT NULL,
            outcome INTEGER NOT NULL,
            error_code TEXT,
            error_party TEXT,
            error_step TEXT,
            error_message TEXT,
            report BLOB,
            recorded_ms BIGINT NOT NULL,
            PRIMARY KEY (job, attempt, role)
        );
        """,
        """
        -- A job of an older coordinator has payloads = 0: its rounds were not kept, so it has no transcript.
        ALTER TABLE jobs ADD COLUMN payloads INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE jobs ADD COLUMN label_co_signed INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE jobs ADD COLUMN feature_co_signed INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE envelopes ADD COLUMN phase INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE envelopes ADD COLUMN round BIGINT NOT NULL DEFAULT 0;
        CREATE INDEX envelopes_canonical ON envelopes (job, attempt, phase, round, step, sender, sequence);
        CREATE TABLE checkpoints (
            job TEXT NOT NULL REFERENCES jobs (job),
            attempt INTEGER NOT NULL,
            phase INTEGER NOT NULL,
            tree_size BIGINT NOT NULL,
            note BLOB NOT NULL,
            consistency_proof BLOB NOT NULL,
            created_ms BIGINT NOT NULL,
            PRIMARY KEY (job, attempt, phase)
        );
        CREATE TABLE checkpoint_answers (
            job TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            phase INTEGER NOT NULL,
            role INTEGER NOT NULL,
            co_signature BLOB,
            error_code TEXT,
            error_party TEXT,
            error_step TEXT,
            error_message TEXT,
            recorded_ms BIGINT NOT NULL,
            PRIMARY KEY (job, attempt, phase, role),
            FOREIGN KEY (job, attempt, phase) REFERENCES checkpoints (job, attempt, phase)
        );
        CREATE TABLE checkpoint_keys (
            job TEXT NOT NULL REFERENCES jobs (job),
            attempt INTEGER NOT NULL,
            role INTEGER NOT NULL,
            checkpoint_key BLOB NOT NULL,
            PRIMARY KEY (job, attempt, role)
        );
        CREATE TABLE deliveries (
            job TEXT NOT NULL REFERENCES jobs (job),
            attempt INTEGER NOT NULL,
            ordinal BIGINT NOT NULL,
            event INTEGER NOT NULL,
            party INTEGER NOT NULL,
            sequence BIGINT NOT NULL,
            time_ms BIGINT NOT NULL,
            PRIMARY KEY (job, attempt, ordinal)
        ) WITHOUT ROWID;
        """,
        """
        -- Up to here every job trained (kind 1), was offered as it was submitted, and left active models (state 1) where it was done.
        ALTER TABLE jobs ADD COLUMN kind INTEGER NOT NULL DEFAULT 1;
        ALTER TABLE jobs ADD COLUMN purpose TEXT NOT NULL DEFAULT '';
        ALTER TABLE jobs ADD COLUMN client_token TEXT;
        ALTER TABLE jobs ADD COLUMN offered_ms BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE jobs ADD COLUMN label_model INTEGER NOT NULL DEFAULT 1;
        ALTER TABLE jobs ADD COLUMN feature_model INTEGER NOT NULL DEFAULT 1;
        UPDATE jobs SET offered_ms = submitted_ms;
        CREATE UNIQUE INDEX jobs_client_token ON jobs (submitter, client_token);
        CREATE TABLE access_log (
            ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
            time_ms BIGINT NOT NULL,
            fingerprint TEXT NOT NULL,
            name TEXT NOT NULL,
            role TEXT NOT NULL,
            call TEXT NOT NULL,
            job TEXT NOT NULL,
            allowed INTEGER NOT NULL,
            detail TEXT NOT NULL
        );
        CREATE INDEX access_log_time ON access_log (time_ms);
        """,
        """
        -- One row that is written to learn whether writes are kept.
        CREATE TABLE store_probe (
            id BIGINT PRIMARY KEY CHECK (id = 1),
            time_ms BIGINT NOT NULL,
            filling BLOB NOT NULL
        );
        """,
        """
        -- Horizontal jobs: between the coordinator and many parties. A place counts from 1; sender 0 is the coordinator.
        CREATE TABLE round_jobs (
            ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
            job TEXT NOT NULL UNIQUE,
            state INTEGER NOT NULL,
            signed_spec BLOB NOT NULL,
            spec_hash BLOB NOT NULL,
            submitter TEXT NOT NULL,
            client_token TEXT,
            submitted_ms BIGINT NOT NULL,
            started_ms BIGINT NOT NULL DEFAULT 0,
            ended_ms BIGINT NOT NULL DEFAULT 0,
            error BLOB,
            round_checkpoint BLOB
        );
        CREATE UNIQUE INDEX round_jobs_client_token ON round_jobs (submitter, client_token);
        CREATE TABLE round_parties (
            job TEXT NOT NULL REFERENCES round_jobs (job),
            place INTEGER NOT NULL,
            name TEXT NOT NULL,
            accepted INTEGER NOT NULL DEFAULT 0,
            identity_key BLOB,
            checkpoint_key BLOB,
            outcome BLOB,
            PRIMARY KEY (job, place)
        );
        CREATE INDEX round_parties_name ON round_parties (name);
        CREATE TABLE round_entries (
            job TEXT NOT NULL REFERENCES round_jobs (job),
            position BIGINT NOT NULL,
            sender INTEGER NOT NULL,
            sequence BIGINT NOT NULL,
            core BLOB NOT NULL,
            attestation BLOB NOT NULL,
            payload BLOB,
            payload_size BIGINT NOT NULL,
            recorded_ms BIGINT NOT NULL,
            PRIMARY KEY (job, position)
        );
        CREATE UNIQUE INDEX round_entries_sender ON round_entries (job, sender, sequence);
        -- Checkpoints of the record: signed tree heads over its first entries, and the parties' words on them.
        CREATE TABLE round_heads (
            job TEXT NOT NULL REFERENCES round_jobs (job),
            number INTEGER NOT NULL,
            size BIGINT NOT NULL,
            note BLOB NOT NULL,
            coordinator_key BLOB NOT NULL,
            is_closing INTEGER NOT NULL,
            created_ms BIGINT NOT NULL,
            PRIMARY KEY (job, number)
        );
        CREATE TABLE round_words (
            job TEXT NOT NULL REFERENCES round_jobs (job),
            number INTEGER NOT NULL,
            place INTEGER NOT NULL,
            co_signature BLOB,
            refusal BLOB,
            answered_ms BIGINT NOT NULL,
            PRIMARY KEY (job, number, place)
        );
        """,
        """
        -- Summaries of horizontal jobs' rounds, which stood in the checkpoint before. rounds_done is NULL in a row that was saved last by an older coordinator: its checkpoint has them still.
        ALTER TABLE round_jobs ADD COLUMN rounds_done BIGINT;
        ALTER TABLE round_jobs ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
        CREATE TABLE round_summaries (
            job TEXT NOT NULL REFERENCES round_jobs (job),
            round BIGINT NOT NULL,
            summary BLOB NOT NULL,
            PRIMARY KEY (job, round)
        );
        """,
    ]);
}
