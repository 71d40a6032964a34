import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

struct ExampleTests {
    let folder = BundleFolder(Sample.root.appending(path: "Examples/nyc-flights"))

    @Test func `the example is a valid bundle`() throws {
        let packed = try BundleBuilder.build(folder)
        #expect(packed.reference.name == "nyc-flights")
        let flow = try #require(packed.manifest.flow("medallion"))
        #expect(flow.tasks.count == 13)
        #expect(Set(flow.tasks.map(\.layer)) == [.bronze, .silver, .gold])
        #expect(flow.tasks.allSatisfy { !$0.checks.isEmpty })
        #expect(!packed.files.contains { $0.path.hasPrefix("raw") || $0.path.hasPrefix("README") })
    }

    @Test func `the config blob says what the manifest says`() throws {
        let packed = try BundleBuilder.build(folder)
        let decoded = try WireCoding.decode(Manifest.self, from: packed.configBytes)
        #expect(try WireCoding.encode(decoded) == packed.configBytes)
    }

    @Test func `gold is read from silver, and silver from bronze or silver`() throws {
        let flow = try #require(try BundleBuilder.validate(folder).flow("medallion"))
        for task in flow.tasks where task.layer == .gold { #expect(task.inputs.allSatisfy { $0.layer == .silver }) }
        for task in flow.tasks where task.layer == .silver { #expect(task.inputs.allSatisfy { $0.layer != .gold }) }
    }
}

struct DocumentTests {
    @Test func `the manifest in docs/bundle·md is valid`() throws {
        let text = try String(contentsOf: Sample.root.appending(path: "docs/bundle.md"), encoding: .utf8)
        let start = try #require(text.firstRange(of: "```yaml\nbundle:"))
        let rest = text[start.lowerBound...].dropFirst("```yaml\n".count)
        let manifest = String(rest[..<(try #require(rest.firstRange(of: "```")).lowerBound)])
        let sql = "SELECT id, amount, at FROM bronze.orders"
        #expect(manifest.contains(sql))
        #expect(Sample.problems([Sample.file("flowforge.yaml", manifest), Sample.file("sql/orders.sql", sql)]) == [])
    }
}
