import FlowForgeDomain
import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

/// Triggers in a manifest: what is wrong with them is said with its place and a hint.
struct ManifestTriggerTests {
    private static func manifest(_ trigger: String) -> String {
        Sample.manifest("tasks:", "triggers:\n      t:\n        \(trigger)\n    tasks:")
    }

    @Test(arguments: [
        ("schedule: {cron: \"61 * * * *\"}", "flowforge.yaml:10:26: 'schedule' of trigger 't': minute"),
        ("schedule: {cron: \"0 0 30 2 *\"}", "flowforge.yaml:10:26: 'schedule' of trigger 't'"),
        ("schedule: {cron: \"0 6 * * *\", timezone: EST}", "'schedule' of trigger 't': time zone 'EST' is not an IANA time zone"),
        ("schedule: {every: 0s}", "'every' of 'schedule' of trigger 't' is 0s"),
        ("schedule: {every: 1500ms}", "has a part of a second"),
        ("schedule: {every: 1d, start: 2026-01-02T00:00:00Z, end: 2026-01-01T00:00:00Z}", "is not after the start"),
        ("schedule: {every: 1d, start: 2026-01-02}", "'start' of 'schedule' of trigger 't' must be a time such as"),
        ("schedule: {every: 1d, blackouts: [{from: \"25:00\", until: \"06:00\"}]}", "blackout from '25:00' is not a time of day"),
        (
            "schedule: {every: 1d, blackouts: [{days: [MON], from: 2026-12-20, until: 2026-12-21}]}",
            "blackout '2026-12-20' is no time of day"
        ),
        (
            "schedule: {every: 1d, blackouts: [{from: \"00:00\", until: \"24:00\"}]}",
            "blackouts cover the whole week: the schedule would never fire"
        ),
        ("upstream: {flow: dayly}", "flowforge.yaml:10:19: the bundle has no flow 'dayly' (did you mean 'daily'?)"),
        (
            "upstream: {flow: daily}",
            "flows start each other for ever: sample/daily → (trigger 't', its end) sample/daily (remove one of these triggers)"
        ),
        ("asset: silver.orders", "flows start each other for ever: sample/daily → (trigger 't', silver.orders) sample/daily"),
        ("asset: silver.odrers", "no task of the bundle writes silver.odrers (did you mean silver.orders?)"),
        ("file: {path: \"${variables.raw}/x\"}", "there is no variable 'raw'"),
        ("file: {path: \"${parameters.year}/x\"}", "the path of a file trigger names parameter 'year'"),
        ("file: {path: \"${raw_dir}/x\"}", "is not understood"),
        ("{webhook: {}, parameters: {yaer: 1}}", "flowforge.yaml:10:42: there is no parameter 'yaer' (did you mean 'year'?)"),
        ("{webhook: {}, parameters: {year: soon}}", "parameter 'year' must be an integer"),
        ("webhook: {parameters: [day]}", "there is no parameter 'day'"),
        ("{webhook: {}, overlap: cancel}", "'overlap' of trigger 't' is 'cancel'"),
        ("webook: {}", "unknown key 'webook'"),
    ]) func `a trigger that cannot be is refused, with place and hint`(trigger: String, expected: String) {
        let found = Sample.problems(Self.manifest(trigger))
        #expect(found.contains { $0.contains(expected) }, "\(found)")
        #expect(found.allSatisfy { $0.hasSuffix(")") }, "no hint in \(found)")
    }

    @Test func `a parameter without a default needs a value from each trigger`() {
        let text = Self.manifest("schedule: {every: 1d}").replacing("{type: integer, default: 2013}", with: "{type: integer}")
        #expect(Sample.problems(text).first?.contains("gives parameter 'year' no value, and it has no default") == true)
        #expect(Sample.problems(text.replacing("{every: 1d}", with: "{every: 1d}\n        parameters: {year: 2013}")) == [])
    }

    @Test func `a manifest without triggers has the JSON that it always had`() throws {
        let bundle = try BundleBuilder.build(Sample.files())
        let json = String(decoding: try WireCoding.encode(bundle.manifest), as: UTF8.self)
        #expect(!json.contains("trigger"))
        #expect(try WireCoding.decode(Manifest.self, from: Data(json.utf8)) == bundle.manifest)
    }

    @Test func `triggers come back from the manifest's JSON as they were`() throws {
        let text = Self.manifest(
            "schedule: {cron: \"0 6 * * MON-FRI\", timezone: Europe/London, dst: both, jitter: 5m, catch_up: {mode: last}}")
        let manifest = try BundleBuilder.build(Sample.files(text)).manifest
        let trigger = try #require(manifest.flow("daily")?.triggers?.first)
        #expect(trigger.kind == .schedule && trigger.schedule?.zone.name == "Europe/London" && trigger.overlap == .queue)
        #expect(try WireCoding.decode(Manifest.self, from: WireCoding.encode(manifest)) == manifest)
    }

    @Test func `flows of other bundles are taken on trust, those of this one are not`() {
        #expect(Sample.problems(Self.manifest("upstream: {bundle: other, flow: anything}")) == [])
        #expect(Sample.problems(Self.manifest("upstream: {bundle: sample, flow: anything}")).count == 1)
    }
}
