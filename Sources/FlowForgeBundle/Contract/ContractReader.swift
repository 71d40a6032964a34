internal import FlowForgeProtocol

/// Reads a data contract: the parts of the Open Data Contract Standard, version 3, that FlowForge
/// uses, strictly. The rest of it is left to others: the standard is open, and grows.
/// https://bitol-io.github.io/open-data-contract-standard
struct ContractReader {
    private let yaml: StrictYAML

    /// What the contract says of tables; problems are of the contract's file.
    static func read(_ file: BundleFile) -> (contract: DataContract, problems: [Problem]) {
        let reader = ContractReader(yaml: StrictYAML(file: file.path))
        let tables = reader.yaml.parse(file.contents).map(reader.tables) ?? []
        return (DataContract(file: file.path, tables: tables), reader.yaml.problems)
    }

    /// `node` as a mapping that may have keys that we do not know.
    private func mapping(_ node: YAMLNode, _ what: String) -> YAMLMapping? {
        guard case .mapping(let entries) = node.content else {
            yaml.report("\(what) must be a mapping, not \(node.kindForPeople)", at: node.position)
            return nil
        }
        return YAMLMapping(reader: yaml, what: what, position: node.position, entries: entries)
    }

    private func tables(_ node: YAMLNode) -> [ContractTable] {
        guard let root = mapping(node, "the contract") else { return [] }
        for key in ["id", "version", "status"] { _ = root.text(key, required: true) }
        _ = root.text("name")
        if let kind = root.text("kind", required: true), kind != "DataContract" {
            yaml.report(
                "'kind' of the contract is '\(kind.prefix(80))'", hint: "write DataContract", at: root.position(of: "kind"))
        }
        if let version = root.text("apiVersion", required: true), !version.hasPrefix("v3.") {
            yaml.report(
                "'apiVersion' of the contract is '\(version.prefix(80))'", hint: "version 3 of the standard is read, e.g. v3.1.0",
                at: root.position(of: "apiVersion"))
        }
        guard let items = root.list("schema", required: true) else { return [] }
        if items.isEmpty { yaml.report("the contract describes no table", at: root.position(of: "schema")) }
        return items.enumerated().compactMap { number, item in table(item, "item \(number + 1) of 'schema'") }
    }

    private func table(_ node: YAMLNode, _ what: String) -> ContractTable? {
        guard let body = mapping(node, what) else { return nil }
        let name = body.text("name")
        let physical = body.text("physicalName")
        _ = body.text("description")
        if let type = body.text("logicalType"), type != "object" {
            yaml.report(
                "'logicalType' of \(what) is '\(type.prefix(80))'", hint: "a table is an object",
                at: body.position(of: "logicalType"))
        }
        guard let asset = [physical, name].lazy.compactMap({ $0.flatMap(AssetName.init) }).first else {
            yaml.report(
                "neither 'physicalName' nor 'name' of \(what) is <layer>.<table>", hint: "e.g. physicalName: silver.orders",
                at: body.position(of: physical == nil ? "name" : "physicalName"))
            return nil
        }
        let items = body.list("properties", required: true) ?? []
        var columns: [ContractColumn] = []
        var names: Set<String> = []
        for (number, item) in items.enumerated() {
            guard let column = column(item, "property \(number + 1) of \(asset)") else { continue }
            if !names.insert(column.name.lowercased()).inserted {
                yaml.report("the column '\(column.name)' of \(asset) is described twice", hint: "remove one", at: item.position)
            }
            columns.append(column)
        }
        return ContractTable(asset: asset, file: yaml.file, position: node.position, columns: columns)
    }

    private func column(_ node: YAMLNode, _ what: String) -> ContractColumn? {
        guard let body = mapping(node, what) else { return nil }
        let name = body.text("name", required: true)
        let physical = body.text("physicalName") ?? name
        _ = body.text("description")
        _ = body.boolean("unique")
        let isRequired = body.boolean("required") ?? false
        let isKey = body.boolean("primaryKey") ?? false
        let logical = body.choice("logicalType", ContractColumn.LogicalType.self)
        let type = plain(body, "physicalType", longest: 1000)
        let classification = plain(body, "classification", longest: 100)
        guard let physical else { return nil }
        guard !physical.isEmpty, physical.unicodeScalars.count <= 128, !Self.hasControl(physical) else {
            yaml.report("the name of \(what) is no name of a column", at: body.position(of: "name"))
            return nil
        }
        return ContractColumn(
            name: physical, position: node.position, type: type.map(TypeName.standard), logicalType: logical,
            isRequired: isRequired || isKey, classification: classification)
    }

    /// Text with something in it, of one line.
    private func plain(_ body: YAMLMapping, _ key: String, longest: Int) -> String? {
        guard let text = body.text(key) else { return nil }
        if !text.isEmpty, text.utf8.count <= longest, !Self.hasControl(text) { return text }
        yaml.report(
            "'\(key)' of \(body.what) is empty, longer than \(longest) bytes or of several lines", at: body.position(of: key))
        return nil
    }

    private static func hasControl(_ text: String) -> Bool {
        text.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
    }
}
