internal import FlowForgeProtocol

extension ManifestReader {
    static let sourceKeys = ["format", "path", "delimiter", "quote", "nulls", "columns"]
    /// Columns that an ingest adds, so that no source may bring its own.
    static let auditColumns = SourceSpec.audit.map(\.name)

    func source(_ body: YAMLMapping) -> SourceSpec {
        let format = body.choice("format", SourceSpec.Format.self, required: true)
        if let format, format != .csv {
            for key in ["delimiter", "quote"] where body[key] != nil {
                yaml.report(
                    "\(body.what) has '\(key)' but is \(format.rawValue)", hint: "only csv has one", at: body.position(of: key))
            }
        }
        let path = body.text("path", required: true)
        if path == "" {
            yaml.report("'path' of \(body.what) is empty", hint: "say where the files are", at: body.position(of: "path"))
        }
        let delimiter = character(body, "delimiter") ?? ","
        let quote = character(body, "quote") ?? "\""
        if delimiter == quote {
            yaml.report(
                "\(body.what) has the same 'delimiter' and 'quote'", hint: "change one of them", at: body.position(of: "quote"))
        }
        return SourceSpec(
            format: format ?? .csv, path: path ?? "", delimiter: delimiter, quote: quote,
            nulls: body.texts("nulls")?.map(\.text) ?? [], columns: sourceColumns(body))
    }

    /// One ASCII character that ends no line.
    private func character(_ body: YAMLMapping, _ key: String) -> String? {
        guard let text = body.text(key) else { return nil }
        if text.utf8.count == 1, let byte = text.utf8.first, byte == 9 || (0x20...0x7E).contains(byte) { return text }
        yaml.report(
            "'\(key)' of \(body.what) must be one ASCII character", hint: "e.g. \",\" or \"\\t\"", at: body.position(of: key))
        return nil
    }

    private func sourceColumns(_ body: YAMLMapping) -> [SourceColumn] {
        let entries = body.names("columns", required: true)
        if entries.isEmpty, body["columns"].map({ $0.content == .mapping([]) }) ?? false {
            yaml.report(
                "\(body.what) declares no column", hint: "declare those to read, e.g. carrier: VARCHAR", at: body.position)
        }
        return entries.compactMap { entry in
            guard let name = column(entry.key, at: entry.position) else { return nil }
            if Self.auditColumns.contains(name) {
                yaml.report("'\(name)' is a column that every ingest adds", hint: "remove it", at: entry.position)
            }
            let what = "column '\(name)' of \(body.what)"
            if case .scalar = entry.value.content {
                if entry.value.isNull {
                    yaml.report("\(what) has no type", hint: "e.g. \(name): VARCHAR", at: entry.position)
                    return nil
                }
                return yaml.text(entry.value, "the type of \(what)").map {
                    SourceColumn(name: name, type: type($0, what, at: entry.value.position))
                }
            }
            guard let spec = yaml.mapping(entry.value, keys: ["type", "required"], of: what) else { return nil }
            return SourceColumn(
                name: name,
                type: spec.text("type", required: true).map { type($0, what, at: spec.position(of: "type")) } ?? "VARCHAR",
                required: spec.boolean("required") ?? false)
        }
    }

    private func type(_ text: String, _ what: String, at position: SourcePosition) -> String {
        if SourceColumn.types.contains(text) { return text }
        if text.hasPrefix("DECIMAL("), text.hasSuffix(")") {
            let numbers = text.dropFirst(8).dropLast().split(separator: ",", omittingEmptySubsequences: false)
            let digits = numbers.map { $0.hasPrefix(" ") ? $0.dropFirst() : $0 }
            if digits.count == 2, digits.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }),
                let precision = Int(digits[0]), let scale = Int(digits[1]), (1...38).contains(precision), scale <= precision
            {
                return "DECIMAL(\(precision),\(scale))"
            }
        }
        yaml.unknownChoice(text, "the type of \(what)", SourceColumn.types + ["DECIMAL(p,s)"], at: position)
        return "VARCHAR"
    }
}
