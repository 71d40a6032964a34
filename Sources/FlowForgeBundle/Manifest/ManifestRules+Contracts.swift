internal import FlowForgeDomain
internal import FlowForgeProtocol

extension ManifestRules {
    /// Reads the contracts that the manifest names; each is about tables of the bundle, and each table
    /// has one contract at most.
    mutating func checkContracts() {
        for (path, position) in contractFiles {
            guard let file = contractFile(path, at: position) else { continue }
            let (contract, problems) = ContractReader.read(file)
            found += problems
            for table in contract.tables {
                if !outputs.contains(table.asset), !manifest.external.contains(table.asset) {
                    let nearest = nearest(table.asset.description, among: outputs.lazy.map(\.description))
                    report(
                        "no task writes \(table.asset), nor is it external",
                        hint: nearest.map { "did you mean '\($0)'?" } ?? "list it under 'external', or remove it",
                        at: table.position, in: path)
                } else if let other = contracts[table.asset] {
                    report(
                        "\(table.asset) has a contract already (\(other.file):\(other.position.line))", hint: "remove one",
                        at: table.position, in: path)
                } else {
                    contracts[table.asset] = table
                }
            }
        }
    }

    private mutating func contractFile(_ path: String, at position: SourcePosition) -> BundleFile? {
        if let fault = BundlePath.fault(in: path) {
            report("the path '\(path.prefix(80))' \(fault)", hint: "write a path relative to the bundle's folder", at: position)
            return nil
        }
        guard let file = files[path] else {
            let nearest = nearest(path, among: files.keys)
            report("the bundle has no file '\(path)'", hint: nearest.map { "did you mean '\($0)'?" } ?? "add it", at: position)
            return nil
        }
        usedFiles.insert(path)
        return file
    }
}
