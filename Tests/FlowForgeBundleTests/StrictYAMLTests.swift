import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

struct StrictYAMLTests {
    /// What a reader says of a file, one line each.
    func problems(_ bytes: Data) -> [String] {
        let yaml = StrictYAML(file: "x.yaml")
        _ = yaml.parse(bytes)
        return yaml.problems.map(\.description)
    }

    func problems(_ text: String) -> [String] { problems(Data(text.utf8)) }

    func json(_ text: String) -> JSONValue? { StrictYAML(file: "x.yaml").parse(Data(text.utf8))?.json }

    @Test func `scalars are read by the core schema of YAML 1·2`() {
        #expect(
            json("[1, -2, +3, 0x1F, 0o17, 007, 1.5, .5, 1., 1e3, true, FALSE, null, ~]")
                == [1, -2, 3, 31, 15, 7, 1.5, 0.5, .number(1), .number(1000), true, false, nil, nil])
        #expect(
            json("[no, yes, on, 12:30, 2013-01-01, 1.0.0, 0b1, 1_000, \"5\", '~', --1]") == [
                "no", "yes", "on", "12:30", "2013-01-01", "1.0.0", "0b1", "1_000", "5", "~", "--1",
            ])
        #expect(json("x: |\n  SELECT 1\n  FROM t\n") == ["x": "SELECT 1\nFROM t\n"])
        #expect(json("[.inf]") == nil)
        #expect(json("[99999999999999999999]") == nil)
    }

    @Test func `empty files, other encodings and damaged ones are refused with the place`() {
        #expect(problems("") == ["x.yaml: the file is empty (see docs/ for an example)"])
        #expect(problems("# only a comment\n") == ["x.yaml: the file is empty (see docs/ for an example)"])
        #expect(
            problems(Data([0x61, 0x3A, 0x20, 0x62, 0x0A, 0x63, 0xFF])) == [
                "x.yaml:2:2: the file is not valid UTF-8 (save it as UTF-8)"
            ])
        #expect(problems(Data([0xEF, 0xBB, 0xBF, 0x61])).first?.contains("byte order mark") == true)
        #expect(problems(Data([0xFF, 0xFE, 0x61, 0x00])).first?.contains("not valid UTF-8") == true)
        #expect(problems("a: \u{0}").first?.contains("control character") == true)
        #expect(problems(Data(count: 10 << 20)).first?.contains("at most 4 MiB") == true)
        #expect(problems("a: [1, 2\nb: 3").first?.hasPrefix("x.yaml:2:") == true)
        #expect(
            problems("a: 1\n---\nb: 2\n") == ["x.yaml:2:1: a second document starts here (a file holds one; remove the '---')"])
    }

    @Test func `anchors, aliases, merge keys and tags are refused`() {
        #expect(problems("a: &x 1\nb: 2").first?.contains("anchor '&x'") == true)
        #expect(
            problems("a: &x 1\nb: *x").first
                == "x.yaml:2:4: the alias '*x' refers to an anchor (anchors and aliases are not allowed; write the value out)")
        #expect(problems("b: *nowhere").first?.contains("x.yaml:1:4") == true)
        #expect(problems("a:\n  <<: {b: 1}").first?.contains("merge keys") == true)
        #expect(problems("a: !!binary aGk=").first?.contains("tags") == true)
        #expect(problems("a: !custom {b: 1}").first?.contains("tags") == true)
        #expect(problems("a: count(*) & b").isEmpty)
    }

    @Test(.timeLimit(.minutes(1))) func `a bomb is refused before it explodes`() {
        var laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
        for level in 1...30 {
            laughs += "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ") + "]\n"
        }
        // As a key it would explode while Yams looks for duplicates.
        #expect(problems(laughs + "? *a30\n: 1\n").first?.contains("alias") == true)
    }

    @Test(.timeLimit(.minutes(1))) func `deep nesting is refused`() {
        let deep = String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
        #expect(problems(deep).contains { $0.contains("more than 32 levels") })
        let abyss = String(repeating: "[", count: 500_000)
        #expect(!problems(abyss).isEmpty)
        #expect(!problems(String(repeating: "- ", count: 100_000)).isEmpty)
        #expect(!problems(String(repeating: "{a: ", count: 100_000)).isEmpty)
    }

    @Test func `every duplicate key is reported, where it stands the second time, and the rest is still read`() {
        let text = """
            a: 1
            b: {x: 1, y: 2, "x": 3}
            a: 2
            c:
              'k': 1
              k: 2
              k: 3
            d: 4
            """
        let found = problems(text)
        #expect(found.contains("x.yaml:3:1: the key 'a' is given twice (it is already at line 1; keep one of them)"))
        #expect(found.contains("x.yaml:2:17: the key 'x' is given twice (it is already at line 2; keep one of them)"))
        #expect(found.contains { $0.hasPrefix("x.yaml:6:3: the key 'k'") })
        #expect(found.contains { $0.hasPrefix("x.yaml:7:3: the key 'k'") })
        #expect(found.count == 4)
        #expect(json(text)?["d"] == 4)
    }

    @Test(.timeLimit(.minutes(1))) func `a file of nothing but duplicate keys is refused soon`() {
        #expect(!problems(String(repeating: "a: 1\n", count: 10_000)).isEmpty)
    }

    @Test func `durations and sizes are read and written`() {
        #expect(Quantity.seconds("1h30m") == 5400)
        #expect(Quantity.seconds("45s") == 45)
        #expect(Quantity.seconds("1d") == 86_400)
        #expect(Quantity.seconds("250ms") == 0.25)
        for text in ["", "5", "m", "30m1h", "1h1h", "-5s", "1.5h", "1 h", "9999999999s", "١s"] {
            #expect(Quantity.seconds(text) == nil, "\(text)")
        }
        #expect(Quantity.bytes("512MiB") == 512 << 20)
        #expect(Quantity.bytes("2GiB") == 2 << 30)
        for text in ["", "5", "512MB", "GiB", "-1GiB", "1.5GiB", "999999999TiB"] {
            #expect(Quantity.bytes(text) == nil, "\(text)")
        }
        #expect(Quantity.duration(5400) == "1h30m")
        #expect(Quantity.size(3 << 29) == "1536MiB")
    }

    @Test func `typed reading reports what is wrong and goes on`() {
        let yaml = StrictYAML(file: "agent.yaml")
        let text = "pool: 5\nslots: many\ntimeout: 1y\nlabels: [a, {}]\ncolour: red\nlevel: debgu\n"
        let root = yaml.parse(Data(text.utf8))
        let map = root.flatMap {
            yaml.mapping($0, keys: ["pool", "slots", "timeout", "labels", "level", "url"], of: "the configuration")
        }
        #expect(map?.text("pool") == nil)
        #expect(map?.text("url", required: true) == nil)
        #expect(map?.integer("slots", in: 1...64) == nil)
        #expect(map?.duration("timeout", in: 1...60) == nil)
        #expect(map?.texts("labels")?.map(\.text) == ["a"])
        #expect(map?.choice("level", Severity.self) == nil)
        #expect(throws: Problems.self) { try yaml.finish() }
        #expect(yaml.problems.count == 7)
        #expect(
            yaml.problems.first?.description
                == "agent.yaml:5:1: unknown key 'colour' in the configuration (known keys are pool, slots, timeout, labels, level, url)"
        )
    }
}
