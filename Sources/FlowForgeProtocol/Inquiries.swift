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

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        asset = try container.decode(AssetName.self, forKey: .asset)
        state = try container.decode(State.self, forKey: .state)
        found = try container.decodeIfPresent(Found.self, forKey: .found)
        changedFiles = try container.decodeIfPresent(Int.self, forKey: .changedFiles)
        files = try container.decodeIfPresent([String].self, forKey: .files)
        guard changedFiles ?? 0 >= 0 else {
            throw DecodingError.dataCorruptedError(
                forKey: .changedFiles, in: container, debugDescription: "a count below nothing")
        }
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
    public init(asset: AssetName, left: SnapshotReference, right: SnapshotReference, keys: [String] = []) {
        self.asset = asset
        self.left = left
        self.right = right
        self.keys = keys
    }
}

/// Counts and percentages; no value of the data. Decoding refuses counts below nothing.
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

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        leftRows = try container.count(.leftRows)
        rightRows = try container.count(.rightRows)
        keys = try container.decodeIfPresent(ComparedKeys.self, forKey: .keys)
        columns = try container.decode([ComparedColumn].self, forKey: .columns)
    }
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

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        both = try container.count(.both)
        onlyLeft = try container.count(.onlyLeft)
        onlyRight = try container.count(.onlyRight)
        leftDuplicates = try container.count(.leftDuplicates)
        rightDuplicates = try container.count(.rightDuplicates)
        compared = try container.count(.compared)
    }

    /// Of all keys, those on both sides; 100 where there are none.
    public var matchPercent: Double {
        // The sum of what an agent says may be more than an integer holds.
        let all = Double(both) + Double(onlyLeft) + Double(onlyRight)
        return all == 0 ? 100 : Double(both) / all * 100
    }
}

public struct ComparedColumn: Hashable, Sendable, Codable {
    public var name: String
    /// Absent where the side has no such column.
    public var leftType: String?
    public var rightType: String?
    /// Of the compared rows, those whose values are equal (nulls are), in percent; 100 where none were compared.
    /// Absent for keys and for what cannot be compared.
    public var matchPercent: Double?
    public init(name: String, leftType: String? = nil, rightType: String? = nil, matchPercent: Double? = nil) {
        self.name = name
        self.leftType = leftType
        self.rightType = rightType
        self.matchPercent = matchPercent
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        leftType = try container.decodeIfPresent(String.self, forKey: .leftType)
        rightType = try container.decodeIfPresent(String.self, forKey: .rightType)
        matchPercent = try container.decodeIfPresent(Double.self, forKey: .matchPercent)
        guard matchPercent.map({ (0...100).contains($0) }) != false else {
            throw DecodingError.dataCorruptedError(
                forKey: .matchPercent, in: container, debugDescription: "a percentage is 0 to 100")
        }
    }
}

extension KeyedDecodingContainer {
    /// Throws `DecodingError` for fewer than none: agents are believed what can be.
    fileprivate func count(_ key: Key) throws -> Int64 {
        let count = try decode(Int64.self, forKey: key)
        guard count >= 0 else {
            throw DecodingError.dataCorruptedError(forKey: key, in: self, debugDescription: "a count below nothing")
        }
        return count
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
        /// As ``AgentAPI/Assignment/storage``.
        public var storage: [String: String]?
        public init(
            inquiry: ID<Inquiry>, fencing: Int64, environment: String, seconds: Double, question: InquiryQuestion,
            storage: [String: String]? = nil
        ) {
            self.inquiry = inquiry
            self.fencing = fencing
            self.environment = environment
            self.seconds = seconds
            self.question = question
            self.storage = storage
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
