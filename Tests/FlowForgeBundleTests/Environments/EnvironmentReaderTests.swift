import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

struct EnvironmentReaderTests {
    private static let full = """
        environment: {name: prod, tier: prod, description: What people read}
        upstream:
          - {environment: qa, soak: 24h}
          - staging
        regions: [eu-central-1]
        residency: eu
        classification: confidential
        pool: prod-eu
        pools: {large: prod-eu-large, sap: prod-sap}
        mode: virtual
        config:
          defaults: [base.yaml]
          values:
            raw_dir: /srv/raw
            limit: {type: integer, value: 5}
        credentials:
          warehouse: aws-sm://prod/warehouse#password
        storage: {gold: fast}
        protection:
          requires_plan: true
          gates:
            two-eyes: {approval: {count: 1, from: [ann, bob]}, valid_for: 3d}
            green: {quality: }
            no-breaking: {policy: {deny: [{impact: breaking, reaches: gold., message: finance reads it}]}}
            alike: {data_diff: {max_row_change: 2.5, min_key_match: 99}, enforcement: soft}
            hours: {window: }
            where: {residency: true}
            change: {external: {url: "https://example.org/changes"}, enforcement: advisory}
            price: {cost: {max_amount: 10, max_time: 2h}}
            class: {classification: {}}
            soaked: {soak: {environment: staging, for: 1h}}
        windows:
          timezone: Europe/Berlin
          open: [{days: [MON, TUE], from: "08:00", until: "17:00"}]
          freezes: [{from: 2026-12-20, through: 2027-01-06, reason: "year end: closed"}]
        rate: {per_hour: 0.5, currency: EUR}
        expires: 2027-06-01T00:00:00Z
        """

    private let now = Date(timeIntervalSince1970: 1_800_000_000)

    private func read(_ text: String, defaults: [String: String] = ["base.yaml": "limit: 1\nretries: 3"]) throws
        -> EnvironmentSpec
    {
        struct Gone: Error {}
        return try EnvironmentReader.read(Data(text.utf8), file: "prod.yaml", now: now) { path in
            guard let text = defaults[path] else { throw Gone() }
            return Data(text.utf8)
        }
    }

    private func problems(_ text: String) -> [Problem] {
        do { _ = try read(text); return [] } catch let problems as Problems { return problems.all } catch { return [] }
    }

    @Test func `a file is read whole, and what is exported reads as the same`() throws {
        let spec = try read(Self.full)
        #expect(spec.upstream == [.init(environment: "qa", soakSeconds: 86_400), .init(environment: "staging")])
        #expect(spec.gates.count == 11 && spec.gates.last?.name == "soak-qa")
        #expect(spec.allPools == ["prod-eu", "prod-eu-large", "prod-sap"])
        let config = EffectiveConfig(spec.config, overrides: ["retries": 9])
        #expect(config.entries["limit"] == .init(value: 5, layer: "environment"))
        #expect(config.entries["retries"] == .init(value: 9, layer: "override"))
        #expect(config.entries["raw_dir"]?.value == "/srv/raw")
        let text = try EnvironmentWriter.text(spec)
        #expect(try read(text, defaults: [:]) == spec, "\(text)")
        #expect(try EnvironmentWriter.text(try read(text, defaults: [:])) == text)
        #expect(try WireCoding.decode(EnvironmentSpec.self, from: WireCoding.encode(spec)) == spec)
    }

    @Test func `texts that look like something else survive their export`() throws {
        for value in [
            "yes", "007", "1.5", "null", "", " a ", "a: b", "#x", "- y", "line\\nbreak", "ü", "\\t", "~", "*a", "&b", "!c", "'q'",
        ] {
            let spec = EnvironmentSpec(
                name: "dev", description: value, pool: "local",
                config: [.init(name: "environment", values: ["v": ConfigValue(.string(value))])])
            #expect(try read(EnvironmentWriter.text(spec)) == spec, "\(value)")
        }
    }

    @Test func `a time from now is added to now`() throws {
        #expect(try read("environment: {name: pr_7}\npool: local\nexpires: 7d").expiresAt == now + 7 * 86_400)
    }

    @Test(arguments: [
        ("pool: local", "has no 'environment'"),
        ("environment: {name: prod}", "has no 'pool'"),
        ("environment: {name: Prod}\npool: local", "no environment name"),
        ("environment: {name: a, tier: 'x y'}\npool: local", "no tier"),
        ("environment: {name: a}\npool: local\nupstream: [a]", "is the environment itself"),
        ("environment: {name: a}\npool: local\nupstream: [b, {environment: b}]", "named twice"),
        ("environment: {name: a}\npool: local\nclassification: secret", "'classification'"),
        ("environment: {name: a}\npool: local\nmode: fast", "'mode'"),
        ("environment: {name: a}\npool: local\ncredentials: {w: hunter2}", "is not a reference"),
        ("environment: {name: a}\npool: local\nstorage: {platinum: x}", "is no layer"),
        ("environment: {name: a}\npool: local\nprotection: {gates: {g: {}}}", "exactly one of"),
        ("environment: {name: a}\npool: local\nprotection: {gates: {g: {quality: {}, residency: {}}}}", "exactly one of"),
        ("environment: {name: a}\npool: local\nprotection: {gates: {g: {aproval: {}}}}", "unknown key 'aproval'"),
        ("environment: {name: a}\npool: local\nprotection: {gates: {g: {approval: {count: 0}}}}", "'count'"),
        (
            "environment: {name: a}\npool: local\nprotection: {gates: {g: {approval: {count: 2, from: [x]}}}}",
            "of whom 2 must approve"
        ),
        ("environment: {name: a}\npool: local\nprotection: {gates: {g: {soak: {environment: b, for: 1h}}}}", "no upstream"),
        ("environment: {name: a}\npool: local\nprotection: {gates: {g: {window: }}}", "has no windows"),
        (
            "environment: {name: a}\npool: local\nprotection: {gates: {g: {external: {url: 'http://example.org'}}}}",
            "no https address"
        ),
        ("environment: {name: a}\npool: local\nprotection: {gates: {g: {policy: {deny: [{message: x}]}}}}", "says nothing"),
        (
            "environment: {name: a}\npool: local\nprotection: {gates: {g: {cost: {max_amount: 3}}}}",
            "needs the environment's rate"
        ),
        ("environment: {name: a}\npool: local\nwindows: {timezone: Mars}", "time zone"),
        (
            "environment: {name: a}\npool: local\nwindows: {freezes: [{from: 2026-01-02, through: 2026-01-01, reason: x}]}",
            "ends before"
        ),
        ("environment: {name: a}\npool: local\nexpires: soon", "'expires'"),
        ("environment: {name: a}\npool: local\nconfig: {defaults: [none.yaml]}", "cannot be read"),
        ("environment: {name: a}\npool: local\nconfig: {values: {x: [1]}}", "must be text"),
        ("environment: {name: a}\npool: local\nconfig: {values: {x: {type: integer, value: many}}}", "is not"),
        ("environment: {name: a}\npool: &p local", "anchor"),
        ("environment: {name: a}\npool: local\npools: {large: 'x y'}", "pools.large: 'x y' is no pool name"),
        ("environment: {name: a}\npool: local\npools: {Large: x}", "no name that a task can ask for"),
        ("environment: {name: a}\npool: local\npools: {pool: x}", "environment's own pool"),
        ("environment: {name: a}\npool: local\npools: [x]", "'pools'"),
        ("environment: {name: a}\npool: local\npool: other", "twice"),
    ]) func `what is wrong is said with its place`(text: String, word: String) throws {
        let found = problems(text)
        #expect(found.contains { "\($0)".contains(word) }, "\(found)")
        #expect(found.allSatisfy { $0.file == "prod.yaml" && ($0.line ?? 0) > 0 }, "\(found)")
    }

    @Test func `a secret that was written where a reference belongs is not repeated`() {
        let found = problems("environment: {name: a}\npool: local\ncredentials: {w: hunter2-very-secret}")
        #expect(!found.isEmpty && !found.contains { "\($0)".contains("hunter2") })
    }
}
