import FlowForgeDomain
import FlowForgeProtocol
import GRDB
import Testing

@testable import FlowForgeStore

@Suite struct ScopeTests {
    @Test func `what there was before organisations belongs to the default one, and its principals see everything`() throws {
        let database = try DatabaseQueue()
        try Schema.migrator.migrate(database, upTo: Schema.promotions.name)
        try database.write { db in
            try db.execute(
                sql: """
                    INSERT INTO environment (name, pool, variables, created_at, created_by) VALUES ('dev', 'one', '{}', 1, 'x');
                    INSERT INTO agent (id, name, pool, agent_version, joined_at) VALUES ('agt_1', 'a', 'two', '1', 1);
                    INSERT INTO principal (id, name, role, token_hash, created_at, created_by)
                        VALUES ('prn_1', 'root', 'owner', x'00', 1, 'x');
                    INSERT INTO audit_entry (at, actor, action, subject, outcome, detail)
                        VALUES (1, 'x', 'run.start', 'y', 'allowed', '{}');
                    """)
        }
        try Schema.migrator.migrate(database)
        try database.read { (db: Database) throws in
            #expect(try String.fetchAll(db, sql: "SELECT organisation || '/' || project FROM environment") == ["default/default"])
            #expect(
                try String.fetchAll(db, sql: "SELECT name || ' ' || organisation FROM pool ORDER BY 1") == [
                    "one default", "two default",
                ])
            #expect(try String?.fetchAll(db, sql: "SELECT organisation FROM principal") == [nil])
            #expect(try String?.fetchAll(db, sql: "SELECT organisation FROM audit_entry") == [nil])
            #expect(try String.fetchAll(db, sql: "SELECT organisation || '/' || name FROM project") == ["default/default"])
        }
    }

    @Test func `the scope of whoever asks goes along with reads and writes, and with no other of the same commit`() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let own = Scope(organisation: "retail", projects: ["stores"], holder: "principal:rita")
        let (read, written) = try await Scope.$current.withValue(own) {
            (try await store.read { $0.scope }, try await store.write { $0.scope })
        }
        #expect(read == own && written == own)
        async let mine = Scope.$current.withValue(own) { try await store.write { $0.scope } }
        async let theirs = store.write { $0.scope }
        let both = try await (mine, theirs)
        #expect(both.0 == own && both.1 == .platform)
    }

    @Test func `the platform's scope adds nothing to a query`() async throws {
        let temporary = try TemporaryStore()
        let texts = try await temporary.store.read { session in
            [session.inScope("environment"), session.inScope(pool: "pool"), session.inOrganisation()]
        }
        #expect(texts == ["", "", ""])
    }

    @Test func `lists of a scope find its environments without a scan of them`() async throws {
        let temporary = try TemporaryStore()
        let own = Scope(organisation: "retail", projects: ["o'brien"])
        let plan = try await Scope.$current.withValue(own) {
            try await temporary.store.read { session in
                let sql = RunQueries.listSQL(byEnvironment: false, byState: false, scope: session.inScope("environment"))
                return try session.rows("EXPLAIN QUERY PLAN \(sql)", ["run`", 10]).map { $0["detail"] as String }
            }
        }
        #expect(plan.contains { $0.contains("environment_by_project") || $0.contains("sqlite_autoindex_environment") }, "\(plan)")
        #expect(!plan.contains { $0.hasPrefix("SCAN environment") }, "\(plan)")
    }

    @Test func `a scope includes what is within it and nothing else`() {
        let all = Scope(organisation: "a")
        let some = Scope(organisation: "a", projects: ["p", "q"])
        #expect(Scope.platform.includes(all) && Scope.platform.includes(.platform))
        #expect(all.includes(some) && !some.includes(all) && !all.includes(.platform))
        #expect(some.includes(Scope(organisation: "a", projects: ["q"])))
        #expect(!some.includes(Scope(organisation: "a", projects: ["q", "r"])))
        #expect(!some.includes(Scope(organisation: "b", projects: ["q"])))
        #expect(some.includes(organisation: "a", project: "p") && !some.includes(organisation: "a", project: "r"))
        #expect(!all.includes(organisation: "b", project: "p"))
    }
}
