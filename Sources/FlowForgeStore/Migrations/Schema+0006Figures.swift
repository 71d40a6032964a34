extension Schema {
    /// How many runs, tasks and attempts are in each state, kept by triggers: what `/metrics` asks
    /// every few seconds must not cost more the longer a control plane lives.
    static let figures = Step(
        name: "0006-figures",
        sql: """
            CREATE TABLE state_count (
                noun TEXT NOT NULL CHECK (noun IN ('run', 'task', 'attempt')),
                state TEXT NOT NULL,
                count INTEGER NOT NULL CHECK (count >= 0),
                PRIMARY KEY (noun, state)
            ) STRICT, WITHOUT ROWID;
            \(["run", "task", "attempt"].map(counting).joined(separator: "\n"))
            """)

    private static func counting(_ noun: String) -> String {
        """
        INSERT INTO state_count (noun, state, count) SELECT '\(noun)', state, count(*) FROM \(noun) GROUP BY state;
        CREATE TRIGGER \(noun)_counted AFTER INSERT ON \(noun) BEGIN
            INSERT INTO state_count (noun, state, count) VALUES ('\(noun)', new.state, 1)
                ON CONFLICT (noun, state) DO UPDATE SET count = count + 1;
        END;
        CREATE TRIGGER \(noun)_recounted AFTER UPDATE OF state ON \(noun) WHEN new.state <> old.state BEGIN
            UPDATE state_count SET count = count - 1 WHERE noun = '\(noun)' AND state = old.state;
            INSERT INTO state_count (noun, state, count) VALUES ('\(noun)', new.state, 1)
                ON CONFLICT (noun, state) DO UPDATE SET count = count + 1;
        END;
        CREATE TRIGGER \(noun)_discounted AFTER DELETE ON \(noun) BEGIN
            UPDATE state_count SET count = count - 1 WHERE noun = '\(noun)' AND state = old.state;
        END;
        """
    }
}
