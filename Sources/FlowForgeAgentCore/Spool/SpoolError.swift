/// Why an event could not be spooled. Nothing of it is on the disk then.
public enum SpoolError: Error, CustomStringConvertible {
    case disk(DiskError)
    /// In bytes; a single event may not outgrow a report's body.
    case tooLarge(Int)
    case unencodable(String)
    /// A file that was whole when the spool was opened, and could not be repaired.
    case damaged(String)

    public var isFull: Bool { if case .disk(let error) = self { error.isFull } else { false } }

    public var description: String {
        switch self {
        case .disk(let error): "the spool: \(error)"
        case .tooLarge(let bytes): "an event of \(bytes) bytes is larger than a report may be"
        case .unencodable(let text): "an event cannot be encoded: \(text)"
        case .damaged(let text): "the spool is damaged: \(text)"
        }
    }
}
