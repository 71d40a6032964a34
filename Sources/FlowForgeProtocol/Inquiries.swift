/// A question about the lake that an agent answers without a task: identified by `inq_…`.
public enum Inquiry: Identified { public static let prefix = "inq" }

/// Where an inquiry stands. All but `asked` and `taken` are final.
public enum InquiryState: String, WireEnum {
    /// Waits for an agent that can answer it.
    case asked
    /// An agent works on it.
    case taken
    case answered
    /// An agent could not answer it, or several were lost over it.
    case failed
    /// Its deadline passed.
    case expired
    /// Whoever asked does not want to know any more.
    case withdrawn
    case unknown
    public var isFinal: Bool { ![.asked, .taken].contains(self) }
}

/// On the wire `{"type": "<case>", "<case>": {…}}`.
public enum InquiryQuestion: Hashable, Sendable {
    case inspect(InspectQuestion)
    case compare(CompareQuestion)
    /// A kind that this build does not know.
    case unknown(String)

    /// `inspect`, `compare`.
    public var kind: String {
        switch self {
        case .inspect: "inspect"
        case .compare: "compare"
        case .unknown(let kind): kind
        }
    }
}

/// On the wire as ``InquiryQuestion``.
public enum InquiryAnswer: Hashable, Sendable {
    case inspect(InspectAnswer)
    case compare(CompareAnswer)
    case unknown(String)
}

/// Are these tables of the environment as they were published? Nothing of a file's bytes is read.
public struct InspectQuestion: Hashable, Sendable, Codable {
    public static let mostAssets = 2000

    public struct Expected: Hashable, Sendable, Codable {
        public var asset: AssetName
        public var snapshot: SnapshotReference
        public init(asset: AssetName, snapshot: SnapshotReference) {
            self.asset = asset
            self.snapshot = snapshot
        }
    }

    public var assets: [Expected]
    public init(assets: [Expected]) { self.assets = assets }
}

/// One result for each asset of the question, in its order.
public struct InspectAnswer: Hashable, Sendable, Codable {
    public var results: [InspectResult]
    public init(results: [InspectResult]) { self.results = results }
}

public struct InspectResult: Hashable, Sendable, Codable {
    public enum State: String, WireEnum {
        /// The pointer leads to the expected snapshot and version, and its files are those that were sealed.
        case ok
        /// The asset has no folder.
        case missingAsset
        /// The expected snapshot has no folder.
        case missingSnapshot
        /// What was sealed with the snapshot cannot be read, or is another snapshot's.
        case unreadableSnapshot
        /// Files of the expected snapshot are gone, have another size, were added, or were written after it was sealed.
        case filesChanged
        /// The expected snapshot is whole, and `current.json` or `current` leads elsewhere or nowhere.
        case pointerMoved
        case unknown
    }

    /// Where the pointer leads; members are absent where that cannot be read.
    public struct Found: Hashable, Sendable, Codable {
        public var snapshot: ID<Snapshot>?
        public var version: Int?
        public init(snapshot: ID<Snapshot>? = nil, version: Int? = nil) {
            self.snapshot = snapshot
            self.version = version
        }
    }

    public var asset: AssetName
    /// The gravest of what was found; the other members say the rest.
    public var state: State
    /// Present where the pointer does not lead to the expected snapshot and version.
    public var found: Found?
    /// How many files are gone, changed or new; absent where the snapshot could not be looked at.
    public var changedFiles: Int?
    /// Names of at most twenty of them, without their folders: those of partitions are values of the data.
    public var files: [String]?

    public init(
        asset: AssetName, state: State, found: Found? = nil, changedFiles: Int? = nil, files: [String]? = nil
    ) {
        self.asset = asset
        self.state = state
        self.found = found
        self.changedFiles = changedFiles
        self.files = files
    }
}

/// How far are two snapshots of a table the same? References without a home lie in the environment of the
/// inquiry (``SnapshotReference/moved(from:to:)``).
public struct CompareQuestion: Hashable, Sendable, Codable {
    public var asset: AssetName
    public var left: SnapshotReference
    public var right: SnapshotReference
    /// Columns that identify a row. Without them rows are counted and not matched.
    public var keys: [String]
    /// Columns that are not compared.
    public var ignoring: [String]
    /// By column: numbers that differ by no more than this match.
    public var tolerances: [String: Double]
    public init(
        asset: AssetName, left: SnapshotReference, right: SnapshotReference, keys: [String] = [], ignoring: [String] = [],
        tolerances: [String: Double] = [:]
    ) {
        self.asset = asset
        self.left = left
        self.right = right
        self.keys = keys
        self.ignoring = ignoring
        self.tolerances = tolerances
    }
}

/// Counts and percentages; no value of the data.
public struct CompareAnswer: Hashable, Sendable, Codable {
    public var leftRows: Int64
    public var rightRows: Int64
    /// Present where the question had keys that both sides have.
    public var keys: ComparedKeys?
    /// All columns of both sides: the left's in their order, then those that only the right has.
    public var columns: [ComparedColumn]
    public init(leftRows: Int64, rightRows: Int64, keys: ComparedKeys? = nil, columns: [ComparedColumn]) {
        self.leftRows = leftRows
        self.rightRows = rightRows
        self.keys = keys
        self.columns = columns
    }

    /// Whether both sides have the same columns, in any order, with the same types.
    public var isSameSchema: Bool { columns.allSatisfy { $0.leftType == $0.rightType } }
}

/// Of distinct keys. Nulls are equal to each other. Rows whose key occurs more than once on a side are counted
/// as duplicates and not compared.
public struct ComparedKeys: Hashable, Sendable, Codable {
    public var both: Int64
    public var onlyLeft: Int64
    public var onlyRight: Int64
    /// Keys that occur more than once.
    public var leftDuplicates: Int64
    public var rightDuplicates: Int64
    /// Rows that were compared: those whose key is on both sides once.
    public var compared: Int64
    public init(
        both: Int64, onlyLeft: Int64, onlyRight: Int64, leftDuplicates: Int64, rightDuplicates: Int64, compared: Int64
    ) {
        self.both = both
        self.onlyLeft = onlyLeft
        self.onlyRight = onlyRight
        self.leftDuplicates = leftDuplicates
        self.rightDuplicates = rightDuplicates
        self.compared = compared
    }

    /// Of all keys, those on both sides; 100 where there are none.
    public var matchPercent: Double {
        let all = both + onlyLeft + onlyRight
        return all == 0 ? 100 : Double(both) / Double(all) * 100
    }
}

public struct ComparedColumn: Hashable, Sendable, Codable {
    public var name: String
    /// Absent where the side has no such column.
    public var leftType: String?
    public var rightType: String?
    public var leftNulls: Int64?
    public var rightNulls: Int64?
    /// Approximate (HyperLogLog).
    public var leftDistinct: Int64?
    public var rightDistinct: Int64?
    /// Of the compared rows, those whose values are equal (nulls are) or within the tolerance. Absent for keys,
    /// what was ignored, and what cannot be compared.
    public var matching: Int64?
    /// `matching` of the compared rows, in percent; 100 where none were.
    public var matchPercent: Double?
    public init(
        name: String, leftType: String? = nil, rightType: String? = nil, leftNulls: Int64? = nil, rightNulls: Int64? = nil,
        leftDistinct: Int64? = nil, rightDistinct: Int64? = nil, matching: Int64? = nil, matchPercent: Double? = nil
    ) {
        self.name = name
        self.leftType = leftType
        self.rightType = rightType
        self.leftNulls = leftNulls
        self.rightNulls = rightNulls
        self.leftDistinct = leftDistinct
        self.rightDistinct = rightDistinct
        self.matching = matching
        self.matchPercent = matchPercent
    }
}

extension InquiryQuestion: Codable {
    private enum CodingKeys: String, CodingKey { case type, inspect, compare }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let type = try container.decode(String.self, forKey: .type)
        switch CodingKeys(rawValue: type) {
        case .inspect: self = .inspect(try container.decode(InspectQuestion.self, forKey: .inspect))
        case .compare: self = .compare(try container.decode(CompareQuestion.self, forKey: .compare))
        case .type, nil: self = .unknown(type)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(kind, forKey: .type)
        switch self {
        case .inspect(let question): try container.encode(question, forKey: .inspect)
        case .compare(let question): try container.encode(question, forKey: .compare)
        case .unknown: break
        }
    }
}

extension InquiryAnswer: Codable {
    private enum CodingKeys: String, CodingKey { case type, inspect, compare }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let type = try container.decode(String.self, forKey: .type)
        switch CodingKeys(rawValue: type) {
        case .inspect: self = .inspect(try container.decode(InspectAnswer.self, forKey: .inspect))
        case .compare: self = .compare(try container.decode(CompareAnswer.self, forKey: .compare))
        case .type, nil: self = .unknown(type)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .inspect(let answer):
            try container.encode("inspect", forKey: .type)
            try container.encode(answer, forKey: .inspect)
        case .compare(let answer):
            try container.encode("compare", forKey: .type)
            try container.encode(answer, forKey: .compare)
        case .unknown(let type): try container.encode(type, forKey: .type)
        }
    }

    /// As ``InquiryQuestion/kind``.
    public var kind: String {
        switch self {
        case .inspect: "inspect"
        case .compare: "compare"
        case .unknown(let type): type
        }
    }
}

extension AgentAPI {
    /// An inquiry that this agent is to answer, alone of all agents, under a fencing number.
    public struct Question: Hashable, Sendable, Codable {
        public var inquiry: ID<Inquiry>
        /// Grows each time that the inquiry is given to an agent; the answer carries it.
        public var fencing: Int64
        public var environment: String
        /// How long the control plane waits from now on.
        public var seconds: Double
        public var question: InquiryQuestion
        public init(inquiry: ID<Inquiry>, fencing: Int64, environment: String, seconds: Double, question: InquiryQuestion) {
            self.inquiry = inquiry
            self.fencing = fencing
            self.environment = environment
            self.seconds = seconds
            self.question = question
        }
    }

    /// The answer to a ``Question``, or why there is none.
    public struct Answered: Hashable, Sendable, Codable {
        public var inquiry: ID<Inquiry>
        public var fencing: Int64
        public var answer: InquiryAnswer?
        public var error: TaskError?
        public init(inquiry: ID<Inquiry>, fencing: Int64, answer: InquiryAnswer? = nil, error: TaskError? = nil) {
            self.inquiry = inquiry
            self.fencing = fencing
            self.answer = answer
            self.error = error
        }
    }
}
