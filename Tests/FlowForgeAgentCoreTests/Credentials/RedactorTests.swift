import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeAgentCore

@Suite(.timeLimit(.minutes(2))) struct RedactorTests {
    private static let secret = "pa$$ word+/\"ünï\\cøde&7"
    private static let key = "-----BEGIN KEY-----\nMIGHAgEAMBMGByqGSM49\nAgEGCCqGSM49AwEHBG0w\n-----END KEY-----\n"

    private func redactor(_ values: [String: String] = ["db": secret, "key": key]) throws -> Redactor {
        Redactor(try values.mapValues { try CredentialValue($0.utf8) })
    }

    /// Whether some eight bytes of the secret are left.
    private func holds(_ text: String, of secret: String = secret) -> Bool {
        let bytes = Array(secret.utf8)
        return (0...(bytes.count - 8)).contains { Data(text.utf8).range(of: Data(bytes[$0..<$0 + 8])) != nil }
    }

    @Test func `the value itself is found wherever it stands`() throws {
        let redactor = try redactor()
        #expect(redactor.redact("password=\(Self.secret);") == "password=[credential db];")
        #expect(
            redactor.redact("\(Self.secret)\(Self.secret) \(Self.secret)") == "[credential db][credential db] [credential db]")
        #expect(redactor.redact("nothing here") == "nothing here" && redactor.redact("") == "")
        #expect(redactor.redact("before\n\(Self.key)after") == "before\n[credential key]after")
        // Line by line, as a program prints a key.
        #expect(redactor.redact("> AgEGCCqGSM49AwEHBG0w") == "> [credential key]")
    }

    @Test(arguments: 0..<12) func `Base64 of it is found whatever stands around it`(shift: Int) throws {
        let around = Data((String(repeating: "x", count: shift) + Self.secret + String(repeating: "y", count: shift / 3)).utf8)
        let plain = around.base64EncodedString()
        for text in [plain, plain.replacing("+", with: "-").replacing("/", with: "_")] {
            let redacted = try redactor().redact("token \(text) end")
            #expect(redacted.contains("[credential db]"), "\(redacted)")
            let left = redacted.replacing("[credential db]", with: "").count
            #expect(left <= "token  end".count + plain.count - (Self.secret.utf8.count * 4 / 3 - 4), "\(redacted)")
        }
    }

    @Test func `wrapped Base64 is found line by line`() throws {
        let long = String((0..<300).map { Character(Unicode.Scalar(UInt8(33 + ($0 * 7) % 90))) })
        let redactor = try redactor(["long": long])
        for options: Data.Base64EncodingOptions in [.lineLength64Characters, .lineLength76Characters] {
            let wrapped = Data(long.utf8).base64EncodedString(options: [options, .endLineWithLineFeed])
            for line in wrapped.split(separator: "\n") where line.count >= 8 {
                #expect(redactor.redact(String(line)).hasPrefix("[credential long]"), "\(line)")
            }
        }
    }

    @Test func `it is found percent-encoded, as a form, in JSON and in hexadecimal digits`() throws {
        let redactor = try redactor()
        let bytes = Array(Self.secret.utf8)
        let everything = bytes.map { "%" + String(UInt16($0) | 0x100, radix: 16).dropFirst() }.joined()
        let usual = try #require(Self.secret.addingPercentEncoding(withAllowedCharacters: .urlQueryAllowed))
        let form = try #require(Self.secret.addingPercentEncoding(withAllowedCharacters: .alphanumerics)).replacing(
            "%20", with: "+")
        let json = String(decoding: try JSONEncoder().encode([Self.secret]), as: UTF8.self)
        let ascii = json.unicodeScalars.map { $0.isASCII ? String($0) : "\\u00" + String($0.value, radix: 16) }.joined()
        let hex = bytes.map { String(UInt16($0) | 0x100, radix: 16).dropFirst() }.joined()
        let texts = [
            everything, everything.uppercased(), usual, form, json, ascii, hex, hex.uppercased(),
            "{\"key\": \"\(Self.key.replacing("\n", with: "\\n"))\"}",
        ]
        for text in texts {
            let redacted = redactor.redact("https://x/?p=\(text)&q")
            #expect(
                redacted.contains("[credential") && !holds(redacted) && redacted.hasSuffix("&q"), "\(text) became \(redacted)")
            #expect(redacted.count < 60, "\(redacted)")
        }
    }

    @Test func `values that lie in each other or on each other are all covered`() throws {
        let redactor = try redactor(["a": "abcdefgh", "b": "cdefghij", "c": "abcdefghijkl"])
        #expect(redactor.redact("abcdefghij.") == "[credential a].")
        #expect(redactor.redact("abcdefghijkl") == "[credential c]")
        #expect(redactor.redact("cdefghij") == "[credential b]")
    }

    @Test func `what is too short is left`() throws {
        #expect(try redactor(["pin": "123"]).redact("123 of 123") == "123 of 123")
        #expect(try redactor(["pin": "1234"]).redact("1234 of 123") == "[credential pin] of 123")
        #expect(try redactor([:]).redact("x") == "x")
    }

    @Test func `a value prints as nothing`() throws {
        let value = try CredentialValue(Self.secret.utf8)
        #expect("\(value)" == "[redacted]" && String(reflecting: value) == "[redacted]" && "\([value])" == "[[redacted]]")
        var dumped = ""
        dump(value, to: &dumped)
        #expect(!holds(dumped))
    }

    @Test(arguments: [1, 2, 7, 64, 4096]) func `a value that comes in pieces, or lies across a line's cut, is found`(
        piece: Int
    ) throws {
        let redactor = try redactor()
        let longest = LogLines.longest
        for filler in [0, 5, longest - 60, longest - 20, longest - 10, longest - 1, longest + 5] {
            var lines = LogLines(redactor: redactor)
            let text = String(repeating: ".", count: filler) + Self.secret + String(repeating: "-", count: 100) + "\nnext\n"
            var told: [String] = []
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                told += Array(rest.prefix(piece)).withUnsafeBytes { lines.take($0) }
                rest = rest.dropFirst(piece)
            }
            #expect(told.count == 2 && told[1] == "next")
            #expect(told[0].utf8.count <= longest + 64 && !told[0].contains("pa$$"), "\(filler): \(told[0].suffix(80))")
        }
    }

    @Test func `many secrets before a cut let none through behind it`() throws {
        var lines = LogLines(redactor: try redactor())
        let text = Array((String(repeating: Self.secret + ",", count: 2000) + "\n").utf8)
        let told = text.withUnsafeBytes { lines.take($0) }
        #expect(told.count == 1 && !told[0].contains("pa$$") && told[0].contains("bytes more"))
    }

    @Test func `an outcome and an event are searched where programs can have put something`() throws {
        let redactor = try redactor()
        let text = JSONValue.string(Self.secret)
        let finished = AgentAPI.Finished(
            outcome: .failed, metrics: TaskMetrics(),
            checks: [CheckResult(name: "c", kind: "sql", severity: .fail, passed: false, message: "got \(Self.secret)")],
            output: TaskOutput(
                asset: AssetName("gold.t")!, snapshot: .make(), location: "x", rows: 1, bytes: 1,
                schema: [ColumnSchema(name: Self.secret, type: "ENUM('\(Self.secret)')")],
                statistics: [ColumnStatistics(column: Self.secret, count: 1, nulls: 0, minimum: .integer(1), maximum: text)]),
            error: TaskError(code: "x", message: Self.secret, hint: Self.secret))
        let event = OpenLineage.RunEvent(
            eventTime: .now, eventType: .fail,
            run: .init(runId: UUID(), facets: ["errorMessage": ["message": text, "list": .array([text, 1, .null])]]),
            job: .init(namespace: "n", name: "j", facets: [Self.secret: ["a": text]]),
            inputs: [.init(namespace: "n", name: "i", facets: ["f": text], inputFacets: ["f": text])],
            outputs: [.init(namespace: "n", name: "o", facets: ["f": text], outputFacets: ["f": text])])
        let json = JSONEncoder()
        let told = String(
            decoding: try json.encode(redactor.redact(finished)) + json.encode(redactor.redact(event)), as: UTF8.self)
        // As JSON writes it, which the redactor itself finds: nothing is left to be found.
        #expect(redactor.redact(told) == told && told.contains("[credential db]"))
        #expect(redactor.redact(finished).output?.statistics.first?.minimum == .integer(1))
    }
}
