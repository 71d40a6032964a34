extension Schema {
    /// Declared environments, plans with what was said about them, promotions with their journal, drift.
    static let promotions = Step(
        name: "0020-promotions",
        sql: """
            -- As it was declared; absent for environments that were made before there were declarations.
            ALTER TABLE environment ADD COLUMN spec TEXT CHECK (spec IS NULL OR json_valid(spec));
            ALTER TABLE environment ADD COLUMN overrides TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(overrides));
            -- Grows with every change of the environment and of what is released to it.
            ALTER TABLE environment ADD COLUMN serial INTEGER NOT NULL DEFAULT 1 CHECK (serial > 0);
            ALTER TABLE environment ADD COLUMN expires_at INTEGER;

            -- What its runs see beside the bundle; absent: the environment's values of the moment.
            ALTER TABLE release ADD COLUMN config TEXT CHECK (config IS NULL OR json_valid(config));
            ALTER TABLE release ADD COLUMN mode TEXT NOT NULL DEFAULT 'physical' CHECK (mode IN ('physical', 'virtual'));
            ALTER TABLE release ADD COLUMN promotion TEXT;
            -- When another took its place.
            ALTER TABLE release ADD COLUMN ended_at INTEGER;

            -- Where the tables of a release pointed when another took its place.
            CREATE TABLE release_pointer (
                release TEXT NOT NULL REFERENCES release (id),
                asset TEXT NOT NULL,
                snapshot TEXT NOT NULL,
                location TEXT NOT NULL,
                home TEXT NOT NULL,
                PRIMARY KEY (release, asset)
            ) STRICT, WITHOUT ROWID;

            CREATE INDEX release_pointer_by_snapshot ON release_pointer (snapshot);

            -- What the bundle says of its tables' lineage, and when that held in the environment.
            CREATE TABLE release_lineage (
                id INTEGER PRIMARY KEY,
                environment TEXT NOT NULL,
                bundle TEXT NOT NULL,
                release TEXT NOT NULL REFERENCES release (id),
                edges TEXT NOT NULL CHECK (json_valid(edges)),
                valid_from INTEGER NOT NULL,
                valid_to INTEGER
            ) STRICT;
            CREATE UNIQUE INDEX release_lineage_current ON release_lineage (environment, bundle) WHERE valid_to IS NULL;
            CREATE INDEX release_lineage_by_time ON release_lineage (environment, valid_from);

            CREATE INDEX run_by_digest ON run (environment, bundle_digest, flow, id);

            CREATE TABLE plan (
                digest TEXT PRIMARY KEY NOT NULL CHECK (length(digest) = 71),
                environment TEXT NOT NULL REFERENCES environment (name),
                bundle_name TEXT NOT NULL,
                bundle_digest TEXT NOT NULL,
                -- Of all but serial and expiry, so that an equal plan is found again.
                content_digest TEXT NOT NULL,
                document TEXT NOT NULL CHECK (json_valid(document)),
                expires_at INTEGER NOT NULL,
                created_at INTEGER NOT NULL,
                created_by TEXT NOT NULL
            ) STRICT;
            CREATE INDEX plan_by_content ON plan (environment, content_digest, expires_at);
            CREATE INDEX plan_by_bundle ON plan (bundle_digest);

            -- Everybody who asked for the plan or for its being applied.
            CREATE TABLE plan_requester (
                plan TEXT NOT NULL REFERENCES plan (digest),
                principal TEXT NOT NULL,
                PRIMARY KEY (plan, principal)
            ) STRICT, WITHOUT ROWID;

            CREATE TABLE plan_approval (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                plan TEXT NOT NULL REFERENCES plan (digest),
                principal TEXT NOT NULL,
                approves INTEGER NOT NULL CHECK (approves IN (0, 1)),
                reason TEXT NOT NULL,
                at INTEGER NOT NULL
            ) STRICT;
            CREATE INDEX plan_approval_by_plan ON plan_approval (plan, number);

            -- What was said of one gate of a plan: an override by somebody, the answer of another system.
            CREATE TABLE plan_word (
                plan TEXT NOT NULL REFERENCES plan (digest),
                gate TEXT NOT NULL,
                kind TEXT NOT NULL CHECK (kind IN ('override', 'answer')),
                passed INTEGER NOT NULL CHECK (passed IN (0, 1)),
                by TEXT NOT NULL,
                message TEXT NOT NULL,
                at INTEGER NOT NULL,
                PRIMARY KEY (plan, gate, kind)
            ) STRICT, WITHOUT ROWID;

            -- What an agent found when it compared a table for a plan.
            CREATE TABLE plan_comparison (
                plan TEXT NOT NULL REFERENCES plan (digest),
                asset TEXT NOT NULL,
                inquiry TEXT NOT NULL,
                PRIMARY KEY (plan, asset)
            ) STRICT, WITHOUT ROWID;

            CREATE TABLE promotion (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                id TEXT NOT NULL UNIQUE,
                kind TEXT NOT NULL CHECK (kind IN ('apply', 'promote', 'demote', 'rollback')),
                environment TEXT NOT NULL REFERENCES environment (name),
                source TEXT,
                bundle_name TEXT NOT NULL,
                plan TEXT NOT NULL REFERENCES plan (digest),
                state TEXT NOT NULL CHECK (state IN ('waiting', 'queued', 'applying', 'undoing', 'succeeded', 'undone',
                    'refused', 'cancelled', 'expired')),
                steps TEXT NOT NULL CHECK (json_valid(steps)),
                done TEXT NOT NULL CHECK (json_valid(done)),
                -- Rollback: the release to return to.
                target TEXT,
                -- The release that it made.
                release TEXT,
                reason TEXT NOT NULL,
                message TEXT NOT NULL,
                requested_by TEXT NOT NULL,
                requested_at INTEGER NOT NULL,
                step_since INTEGER NOT NULL,
                drain_seconds REAL NOT NULL CHECK (drain_seconds >= 0),
                finished_at INTEGER,
                CHECK ((finished_at IS NOT NULL)
                    = (state IN ('succeeded', 'undone', 'refused', 'cancelled', 'expired')))
            ) STRICT;
            CREATE UNIQUE INDEX promotion_applied ON promotion (environment) WHERE state IN ('applying', 'undoing');
            CREATE UNIQUE INDEX promotion_of_bundle ON promotion (environment, bundle_name) WHERE finished_at IS NULL;
            CREATE INDEX promotion_open ON promotion (number) WHERE finished_at IS NULL;
            CREATE INDEX promotion_by_environment ON promotion (environment, number);

            -- The journal: what was done, in its order, each in the transaction that did it.
            CREATE TABLE promotion_entry (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                promotion TEXT NOT NULL REFERENCES promotion (id),
                event TEXT NOT NULL CHECK (event IN ('state', 'began', 'done', 'failed', 'undone')),
                step TEXT,
                message TEXT NOT NULL,
                at INTEGER NOT NULL
            ) STRICT;
            CREATE INDEX promotion_entry_by_promotion ON promotion_entry (promotion, number);

            CREATE TABLE promotion_run (
                promotion TEXT NOT NULL REFERENCES promotion (id),
                run TEXT NOT NULL,
                PRIMARY KEY (promotion, run)
            ) STRICT, WITHOUT ROWID;

            -- Bundles of which no run is started while they change.
            CREATE TABLE bundle_hold (
                environment TEXT NOT NULL,
                bundle TEXT NOT NULL,
                promotion TEXT NOT NULL REFERENCES promotion (id),
                PRIMARY KEY (environment, bundle)
            ) STRICT, WITHOUT ROWID;

            -- Bundles that were taken out of an environment and are not to come back.
            CREATE TABLE demotion (
                environment TEXT NOT NULL,
                digest TEXT NOT NULL,
                reason TEXT NOT NULL,
                at INTEGER NOT NULL,
                by TEXT NOT NULL,
                PRIMARY KEY (environment, digest)
            ) STRICT, WITHOUT ROWID;

            CREATE TABLE drift_suppression (
                environment TEXT NOT NULL,
                finding TEXT NOT NULL,
                owner TEXT NOT NULL,
                reason TEXT NOT NULL,
                until INTEGER NOT NULL,
                created_at INTEGER NOT NULL,
                PRIMARY KEY (environment, finding)
            ) STRICT, WITHOUT ROWID;

            -- What was found at the last look, and since when each finding has been there.
            CREATE TABLE drift_finding (
                environment TEXT NOT NULL,
                bundle TEXT NOT NULL,
                finding TEXT NOT NULL,
                body TEXT NOT NULL CHECK (json_valid(body)),
                since INTEGER NOT NULL,
                PRIMARY KEY (environment, bundle, finding)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE drift_look (
                environment TEXT PRIMARY KEY NOT NULL,
                at INTEGER NOT NULL,
                inquiry TEXT
            ) STRICT, WITHOUT ROWID;
            """)
}
