import FlowForgeBundle
import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeAgentCore

/// Expected lineage is written `column <- table.column kind, …`; what concerns all rows follows `*`.
@Suite struct ColumnLineageResolverTests {
    private static let inputs: [(asset: AssetName, schema: [ColumnSchema])] = [
        (AssetName("silver.t")!, ["id", "a", "b", "c", "l"].map { ColumnSchema(name: $0, type: "INTEGER") }),
        (AssetName("silver.u")!, ["id", "a", "d"].map { ColumnSchema(name: $0, type: "INTEGER") }),
        (AssetName("silver.v")!, ["k", "x", "y"].map { ColumnSchema(name: $0, type: "INTEGER") }),
    ]
    private static let tables =
        "CREATE SCHEMA silver; CREATE TABLE silver.t (id INT, a INT, b INT, c STRUCT(s INT), l INT[]); CREATE TABLE silver.u (id INT, a INT, d INT); CREATE TABLE silver.v (k VARCHAR, x INT, y INT);"

    @Test(arguments: [
        ("SELECT id, a + b AS s FROM silver.t", "id <- t.id IDENTITY; s <- t.a TRANSFORMATION, t.b TRANSFORMATION"),
        ("SELECT a AS z FROM (SELECT b AS a FROM silver.t) q", "z <- t.b IDENTITY"),
        ("SELECT sum(a) FILTER (WHERE b > 1) AS s FROM silver.t", "s <- t.a AGGREGATION, t.b FILTER"),
        ("SELECT count(*) AS n FROM silver.t WHERE a = 1", "n <- ; * t.a FILTER"),
        (
            "SELECT b, max(a) + 1 AS m FROM silver.t GROUP BY b HAVING min(id) > 0 ORDER BY m",
            "b <- t.b IDENTITY; m <- t.a AGGREGATION; * t.a SORT, t.b GROUP_BY, t.id FILTER"
        ),
        ("SELECT b, max(a) AS m FROM silver.t GROUP BY ALL", "b <- t.b IDENTITY; m <- t.a AGGREGATION; * t.b GROUP_BY"),
        (
            "SELECT b AS g, count(*) AS n FROM silver.t GROUP BY 1 ORDER BY 1",
            "g <- t.b IDENTITY; n <- ; * t.b GROUP_BY, t.b SORT"
        ),
        (
            "SELECT t.id, u.d FROM silver.t JOIN silver.u ON t.id = u.id",
            "id <- t.id IDENTITY; d <- u.d IDENTITY; * t.id JOIN, u.id JOIN"
        ),
        (
            "SELECT * EXCLUDE (b, c, l) FROM silver.t JOIN silver.u USING (id, a)",
            "id <- t.id IDENTITY; a <- t.a IDENTITY; d <- u.d IDENTITY; * t.a JOIN, t.id JOIN, u.a JOIN, u.id JOIN"
        ),
        ("SELECT id FROM silver.t RIGHT JOIN silver.u USING (id)", "id <- u.id IDENTITY; * t.id JOIN, u.id JOIN"),
        (
            "SELECT id FROM silver.t FULL JOIN silver.u USING (id)",
            "id <- t.id TRANSFORMATION, u.id TRANSFORMATION; * t.id JOIN, u.id JOIN"
        ),
        (
            "SELECT b, d FROM silver.t NATURAL JOIN silver.u",
            "b <- t.b IDENTITY; d <- u.d IDENTITY; * t.a JOIN, t.id JOIN, u.a JOIN, u.id JOIN"
        ),
        (
            "SELECT * FROM silver.u ANTI JOIN silver.v ON u.id = v.x",
            "id <- u.id IDENTITY; a <- u.a IDENTITY; d <- u.d IDENTITY; * u.id JOIN, v.x JOIN"
        ),
        ("SELECT u.* REPLACE (d * 2 AS d) FROM silver.u", "id <- u.id IDENTITY; a <- u.a IDENTITY; d <- u.d TRANSFORMATION"),
        ("SELECT * RENAME (d AS e) FROM silver.u", "id <- u.id IDENTITY; a <- u.a IDENTITY; e <- u.d IDENTITY"),
        ("SELECT COLUMNS('^[ab]$') FROM silver.t", "a <- t.a IDENTITY; b <- t.b IDENTITY"),
        ("SELECT COLUMNS(lambda c: c LIKE 'i%') FROM silver.t", "id <- t.id IDENTITY"),
        ("SELECT max(COLUMNS(['id', 'd'])) FROM silver.u", "id <- u.id AGGREGATION; d <- u.d AGGREGATION"),
        ("WITH q AS (SELECT a + 1 AS p FROM silver.t WHERE b = 1) SELECT p FROM q", "p <- t.a TRANSFORMATION; * t.b FILTER"),
        (
            "WITH q(p) AS (SELECT a FROM silver.t) SELECT q.p, (SELECT max(y) FROM silver.v WHERE v.x = q.p) AS m FROM q",
            "p <- t.a IDENTITY; m <- t.a FILTER, v.x FILTER, v.y AGGREGATION"
        ),
        (
            "WITH RECURSIVE r(n, m) AS (SELECT a, b FROM silver.t UNION ALL SELECT m, n + 1 FROM r WHERE n < 5) SELECT n FROM r",
            "n <- t.a IDENTITY, t.a TRANSFORMATION, t.b IDENTITY, t.b TRANSFORMATION; * t.a FILTER, t.b FILTER"
        ),
        ("SELECT a FROM silver.t UNION SELECT d FROM silver.u", "a <- t.a IDENTITY, u.d IDENTITY"),
        (
            "SELECT a, b FROM silver.t UNION ALL BY NAME SELECT d, a FROM silver.u",
            "a <- t.a IDENTITY, u.a IDENTITY; b <- t.b IDENTITY; d <- u.d IDENTITY"
        ),
        ("SELECT a FROM silver.t EXCEPT SELECT d FROM silver.u", "a <- t.a IDENTITY; * u.d FILTER"),
        (
            "SELECT row_number() OVER (PARTITION BY a ORDER BY b) AS r, lag(id) OVER (ORDER BY b) AS p FROM silver.t",
            "r <- t.a WINDOW, t.b WINDOW; p <- t.b WINDOW, t.id TRANSFORMATION"
        ),
        ("SELECT id FROM silver.t QUALIFY row_number() OVER (PARTITION BY a) = 1", "id <- t.id IDENTITY; * t.a WINDOW"),
        (
            "SELECT CASE WHEN a > 1 THEN b ELSE id END AS c FROM silver.t",
            "c <- t.a CONDITIONAL, t.b TRANSFORMATION, t.id TRANSFORMATION"
        ),
        (
            "SELECT id FROM silver.t WHERE a IN (SELECT x FROM silver.v WHERE y = t.b)",
            "id <- t.id IDENTITY; * t.a FILTER, t.b FILTER, v.x CONDITIONAL, v.y FILTER"
        ),
        (
            "SELECT a + 1 AS p, p * 2 AS q FROM silver.t WHERE q > 3",
            "p <- t.a TRANSFORMATION; q <- t.a TRANSFORMATION; * t.a FILTER"
        ),
        (
            "SELECT c.s AS s, t.c.s AS s2, list_transform(l, lambda x: x + b) AS m FROM silver.t",
            "s <- t.c TRANSFORMATION; s2 <- t.c TRANSFORMATION; m <- t.b TRANSFORMATION, t.l TRANSFORMATION"
        ),
        (
            "SELECT w.p, unnest(l) AS i FROM silver.t, LATERAL (SELECT t.a + 1 AS p) w",
            "p <- t.a TRANSFORMATION; i <- t.l TRANSFORMATION"
        ),
        ("SELECT e.i FROM silver.t, unnest(t.l) AS e(i)", "i <- t.l TRANSFORMATION"),
        ("SELECT v.p + t.a AS s FROM (VALUES (1, 2)) v(p, q), silver.t", "s <- t.a TRANSFORMATION"),
        (
            "FROM (PIVOT silver.v ON k IN ('m', 'n') USING sum(x) GROUP BY y)",
            "y <- v.y IDENTITY; m <- v.k CONDITIONAL, v.x AGGREGATION; n <- v.k CONDITIONAL, v.x AGGREGATION; * v.y GROUP_BY"
        ),
        (
            "FROM (UNPIVOT silver.v ON x, y INTO NAME what VALUE n)",
            "k <- v.k IDENTITY; what <- ; n <- v.x TRANSFORMATION, v.y TRANSFORMATION"
        ),
        ("SELECT DISTINCT ON (a) id FROM silver.t ORDER BY b", "id <- t.id IDENTITY; * t.a GROUP_BY, t.b SORT"),
        ("SELECT \"A\" AS up, 1 AS one, getvariable('x') AS v FROM silver.T", "up <- t.a IDENTITY; one <- ; v <- "),
        ("SELECT sum(q.\"sum(a)\") AS s FROM (SELECT sum(a) FROM silver.t GROUP BY b) q", "s <- t.a AGGREGATION; * t.b GROUP_BY"),
    ])
    func `columns are followed`(sql: String, expected: String) async throws {
        let names = try await EngineBench.duckdb("\(Self.tables) DESCRIBE \(sql)").map {
            try JSONDecoder().decode([String: JSONValue].self, from: Data($0.utf8))["column_name"]?.string ?? ""
        }
        let line = try #require(
            try await EngineBench.duckdb(
                "SELECT json_serialize_sql(\(SQLText.literal(sql)), skip_default := true, skip_null := true, skip_empty := true) AS j"
            ).first)
        let tree = try JSONDecoder().decode([String: JSONValue].self, from: Data(line.utf8))
        let statement = try #require(tree["j"]?["statements"]?.array?.first)
        let lineage = ColumnLineageResolver(inputs: Self.inputs).lineage(of: statement, output: names)
        #expect(Self.text(lineage) == expected)
    }

    private static func text(_ lineage: ColumnLineage) -> String {
        var parts = lineage.columns.map {
            "\($0.name.trimmingPrefix("max(")) <- \(text($0.influences))".replacing(") <-", with: " <-")
        }
        if !lineage.dataset.isEmpty { parts.append("* \(text(lineage.dataset))") }
        return parts.joined(separator: "; ")
    }

    private static func text(_ influences: Set<ColumnLineage.Influence>) -> String {
        influences.map { influence -> String in
            guard case .asset(let asset) = influence.origin else { return "?" }
            return "\(asset.table).\(influence.column) \(influence.kind.rawValue)"
        }.sorted().joined(separator: ", ")
    }
}
