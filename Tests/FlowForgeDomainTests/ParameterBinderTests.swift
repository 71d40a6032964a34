import FlowForgeDomain
import FlowForgeProtocol
import Testing

struct ParameterBinderTests {
    @Test func `values are converted, defaults filled in`() throws {
        let specs = [
            ParameterSpec(name: "year", type: .integer, defaultValue: 2013), ParameterSpec(name: "share", type: .number),
            ParameterSpec(name: "full", type: .boolean, defaultValue: false), ParameterSpec(name: "day", type: .date),
        ]
        let bound = try ParameterBinder.bind(specs: specs, values: ["share": "0.5", "day": "2013-02-28", "full": nil])
        #expect(bound == ["year": 2013, "share": 0.5, "full": false, "day": "2013-02-28"])
    }

    @Test func `all faults are found at once, and values are never shown`() {
        let specs = [
            ParameterSpec(name: "year", type: .integer), ParameterSpec(name: "day", type: .date),
            ParameterSpec(name: "x", type: .string),
        ]
        do {
            _ = try ParameterBinder.bind(specs: specs, values: ["day": "hunter2", "yaer": 1, "other": 2, "x": ["hunter2"]])
            Issue.record("accepted")
        } catch {
            #expect(
                error.faults.map(\.description) == [
                    "'year' needs a value (an integer)", "'day' must be a date such as 2013-01-31, not text",
                    "'x' must be text, not a list",
                    "'other' is not declared by the bundle", "'yaer' is not declared by the bundle",
                ])
            #expect(error.faults.last?.hint == "did you mean 'year'?")
            #expect(!error.description.contains("hunter2"))
        }
    }

    @Test(arguments: [
        (
            ParameterType.integer, ["1", "-5", "9223372036854775807"],
            ["", "1.5", "+1", "1e3", "0x10", " 1", "9223372036854775808", "١"]
        ),
        (.number, ["1", "-0.5", "1e3", ".5"], ["", "nan", "inf", "0x1p3", "1,5", "1e999", "+-1"]),
        (.boolean, ["true", "false"], ["True", "1", "yes", ""]),
        (
            .date, ["2013-01-31", "2012-02-29"],
            ["2013-02-29", "2013-1-1", "2013-13-01", "2013-01-01T00:00:00Z", "20130101", "+013-01-01"]
        ),
        (
            .timestamp, ["2013-01-31T10:00:00Z", "2013-01-31T10:00:00.123456+05:30"],
            [
                "2013-01-31", "2013-01-31T10:00:00", "2013-01-31 10:00:00Z", "2013-01-31T24:00:00Z", "2013-01-31T10:00:00.Z",
                "2013-01-31T10:00:00+15:00", "2013-01-31T10:00Z",
            ]
        ),
        (.path, ["/srv/raw", "/", "/with space/x"], ["", "raw", "/srv/../etc", "~/raw", "/a\nb", "s3://bucket"]),
        (.string, ["", "it's; DROP TABLE x", "ünï"], ["a\u{0}b"]),
    ]) func `text is converted when it is exactly such a value`(type: ParameterType, good: [String], bad: [String]) {
        for text in good { #expect(type.converting(.string(text)) != nil, "\(type) \(text)") }
        for text in bad { #expect(type.converting(.string(text)) == nil, "\(type) \(text)") }
    }

    @Test func `nothing is rounded, and lists and mappings are no values`() {
        #expect(ParameterType.integer.converting(.number(2.0)) == 2)
        #expect(ParameterType.integer.converting(.number(2.5)) == nil)
        #expect(ParameterType.integer.converting(.number(1e300)) == nil)
        #expect(ParameterType.string.converting(5) == nil)
        #expect(ParameterType.boolean.converting(1) == nil)
        #expect(ParameterType.unknown.converting("x") == nil)
        for type in ParameterType.allCases {
            #expect(type.converting([1]) == nil)
            #expect(type.converting(["a": 1]) == nil)
            #expect(type.converting(nil) == nil)
        }
        #expect(ParameterType.string.converting(.string(String(repeating: "x", count: 70_000))) == nil)
    }
}
