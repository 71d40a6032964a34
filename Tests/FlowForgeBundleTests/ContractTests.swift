import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

@Suite struct ContractTests {
    private static let contract = """
        apiVersion: v3.1.0
        kind: DataContract
        id: 1
        version: 1.0.0
        status: active
        schema:
          - name: silver.orders
            properties:
              - {name: id, physicalType: BIGINT, required: true}

        """.replacing("id: 1\n", with: "id: \"1\"\n")

    private func problems(_ contract: String, paths: String = "[c.odcs.yaml]", more: [BundleFile] = []) -> [String] {
        let manifest = Sample.manifest("flows:", "contracts: \(paths)\nflows:")
        return Sample.problems(Sample.files(manifest) + [Sample.file("c.odcs.yaml", contract)] + more)
    }

    @Test func `a contract of the standard's own keys is read, and keys that we do not use are left alone`() {
        #expect(problems(Self.contract) == [])
        let more = Self.contract.replacing(
            "status: active",
            with: "status: active\nname: Orders\ndomain: sales\nx-own: {a: [1]}\nslaProperties: [{property: latency, value: 4}]"
        ).replacing(
            "required: true", with: "required: true, unique: true, description: Key, criticalDataElement: true, tags: [a]")
        #expect(problems(more) == [])
    }

    @Test(arguments: [
        ("apiVersion: v3.1.0", "apiVersion: v2.2.2", "c.odcs.yaml:1:13: 'apiVersion' of the contract is 'v2.2.2'"),
        ("kind: DataContract", "kind: Contract", "c.odcs.yaml:2:7: 'kind' of the contract is 'Contract' (write DataContract)"),
        ("status: active\n", "", "the contract has no 'status'"),
        ("version: 1.0.0", "version: 1.0", "c.odcs.yaml:4:10: 'version' of the contract must be text, not a number"),
        ("- name: silver.orders", "- name: orders", "c.odcs.yaml:7:11: neither 'physicalName' nor 'name' of item 1 of 'schema'"),
        (
            "- name: silver.orders", "- name: silver.orderz",
            "no task writes silver.orderz, nor is it external (did you mean 'silver.orders'?)"
        ),
        ("- name: silver.orders", "- name: silver.orders\n    logicalType: array", "a table is an object"),
        ("{name: id,", "{", "property 1 of silver.orders has no 'name'"),
        (
            "required: true", "required: \"yes\"",
            "c.odcs.yaml:9:52: 'required' of property 1 of silver.orders must be true or false, not 'yes'"
        ),
        ("required: true", "unique: 1", "'unique' of property 1 of silver.orders must be true or false"),
        ("required: true", "logicalType: int", "'logicalType' of property 1 of silver.orders is 'int'"),
        ("required: true", "classification: 3", "'classification' of property 1 of silver.orders must be text"),
        ("required: true", "classification: \"\"", "'classification' of property 1 of silver.orders is empty"),
        (
            "physicalType: BIGINT", "physicalType: \"BIGINT\\n;\"",
            "'physicalType' of property 1 of silver.orders is empty, longer than"
        ),
        ("required: true}", "required: true}\n      - {name: ID}", "the column 'ID' of silver.orders is described twice"),
        ("properties:\n      - {name: id, physicalType: BIGINT, required: true}", "properties: 5", "must be a list"),
        ("schema:", "schema: []\nx:", "the contract describes no table"),
        ("id: \"1\"", "id: &a \"1\"", "c.odcs.yaml:3:"),
        (
            "schema:\n", "schema:\n  - name: silver.orders\n    properties: []\n",
            "silver.orders has a contract already (c.odcs.yaml:7)"
        ),
    ])
    func `what the contract says wrongly is told with its place`(old: String, new: String, problem: String) throws {
        try #require(Self.contract.contains(old))
        let found = problems(Self.contract.replacing(old, with: new))
        #expect(found.contains { $0.contains(problem) }, "\(found)")
    }

    @Test func `hostile contracts are refused`() {
        let deep = String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
        for text in ["", "5", "[]", "schema: \(deep)", "a: &a [*a]", "\u{0}", Self.contract + "\n---\nb: 1\n"] {
            #expect(problems(text).contains { $0.hasPrefix("c.odcs.yaml") }, "\(text.prefix(40))")
        }
        #expect(problems(String(repeating: "# a comment\n", count: 400_000)).contains { $0.contains("at most 4 MiB") })
    }

    @Test func `the manifest names its contracts, each once and each there`() {
        #expect(problems(Self.contract, paths: "[c.odcs.yaml, c.odcs.yaml]").contains { $0.contains("is given twice") })
        #expect(problems(Self.contract, paths: "[c.odcs.yml]").contains { $0.contains("did you mean 'c.odcs.yaml'?") })
        #expect(problems(Self.contract, paths: "[/etc/passwd]").contains { $0.contains("is absolute") })
        #expect(problems(Self.contract, paths: "c.odcs.yaml").contains { $0.contains("must be a list") })
        let unused = problems(Self.contract, paths: "[]")
        #expect(
            unused.contains(
                "c.odcs.yaml: no task uses this file (delete it, list it under 'include' of flowforge.yaml, or in .flowforgeignore)"
            ))
    }

    @Test(arguments: [
        ("timestamptz", "TIMESTAMP WITH TIME ZONE"), ("decimal(18, 2)", "DECIMAL(18,2)"), ("NUMERIC(5)", "DECIMAL(5,0)"),
        ("decimal", "DECIMAL(18,3)"), ("varchar(20)", "VARCHAR"), ("Text", "VARCHAR"), ("int", "INTEGER"),
        ("HUGEINT", "DECIMAL(38,0)"),
        ("STRUCT(\"a B\" INTEGER)", "STRUCT(\"a B\" INTEGER)"), ("double", "DOUBLE"), ("INTEGER[]", "INTEGER[]"),
    ])
    func `types have one name`(written: String, name: String) { #expect(TypeName.standard(written) == name) }
}
