internal import FlowForgeDomain
internal import FlowForgeProtocol

/// All that the columns and the lineage of one table follow from. Its digest tells without an engine
/// whether a lock still says what an engine would.
///
/// The text of the query counts without comments and formatting. Of the inputs all columns count, since
/// a `*` or an ambiguous name can bring each of them in; of a source what makes its columns, so neither
/// a delimiter nor the words for null.
struct LockOrigin: Encodable {
    private struct Column: Encodable {
        var name: String
        var type: String
    }
    private struct Source: Encodable {
        var path: String
        var columns: [SourceColumn]
    }
    private struct Promise: Encodable {
        var name: String
        var type: String?
        var required: Bool
        var classification: String?
    }

    private var asset: AssetName
    private var mode: LoadMode
    private var query: String?
    private var variables: [String: ParameterType]
    private var source: Source?
    private var command: [String]?
    /// By name; an input whose columns are not known is there without any.
    private var inputs: [String: [Column]]
    /// Names of columns that have no nulls.
    private var required: [String]
    private var contract: [Promise]?

    /// `columns` gives those of the inputs.
    init(_ output: LockSubject.Output, in subject: LockSubject, columns: (AssetName) -> [LockedColumn]?) {
        let task = output.task
        asset = output.asset
        mode = task.load.mode
        let scan = task.sql.map { SQLScan(subject.query($0)) }
        query = scan?.code
        let types = Dictionary(
            (subject.manifest.parameters + subject.manifest.variables).map { ($0.name, $0.type) },
            uniquingKeysWith: { first, _ in first })
        variables = (scan?.variables ?? []).reduce(into: [:]) { $0[$1.name] = types[$1.name] }
        source = task.source.map { Source(path: $0.path, columns: $0.columns) }
        // What a program writes is what the contract says, whatever the program.
        command = task.command == nil ? nil : []
        inputs = Dictionary(
            task.inputs.map { input in (input.description, (columns(input) ?? []).map { Column(name: $0.name, type: $0.type) }) },
            uniquingKeysWith: { first, _ in first })
        required = output.required.sorted()
        contract = subject.contracts[asset]?.columns.map {
            Promise(
                name: $0.name, type: $0.type ?? $0.logicalType?.rawValue, required: $0.isRequired,
                classification: $0.classification)
        }
    }

    var digest: String {
        guard let bytes = try? WireCoding.encode(self) else { preconditionFailure("the origin of a lock is JSON") }
        return ContentDigest.of(bytes)
    }
}
