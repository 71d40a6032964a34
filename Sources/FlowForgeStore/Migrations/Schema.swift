internal import GRDB

/// The schema's history: one step a file, never edited once released, applied in this order.
///
/// Tables are STRICT and named in the singular; every enum has a CHECK that mirrors its Swift cases;
/// times are integer milliseconds since 1970; ids are the text of `ID`.
enum Schema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        for step in steps { migrator.registerMigration(step.name) { try $0.execute(sql: step.sql) } }
        return migrator
    }

    struct Step: Sendable {
        let name: String
        let sql: String
    }

    static let steps: [Step] = [
        governance, fleet, releases, orchestration, catalog, figures, liveAttempts, runCore, triggers, backfills, restorations,
        retention, deafAgents, parkedLines, followers, referrers, yanking, bundleLocks, sharedLake, promotions,
        shortTokens, gateCalls, organisations,
    ]
}
