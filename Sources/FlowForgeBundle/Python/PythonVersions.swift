/// Versions of an interpreter, as PEP 440 says them: `>=3.11`, `>=3.10, !=3.12.1, <4`, `==3.12.*`, `~=3.11`.
public struct PythonVersions: Hashable, Sendable {
    private struct Clause: Hashable, Sendable {
        var sign: String
        var numbers: [Int]
        var isPrefix: Bool
    }

    private let clauses: [Clause]

    /// `nil` for what is no such text, and for versions other than numbers.
    public init?(_ text: String) {
        var clauses: [Clause] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let part = part.drop { $0 == " " }
            guard let sign = ["==", "!=", "<=", ">=", "~=", "<", ">"].first(where: { part.hasPrefix($0) }) else { return nil }
            var version = part.dropFirst(sign.count).drop { $0 == " " }
            while version.last == " " { version.removeLast() }
            let isPrefix = version.hasSuffix(".*")
            if isPrefix {
                guard sign == "==" || sign == "!=" else { return nil }
                version = version.dropLast(2)
            }
            guard let numbers = Self.numbers(version), sign != "~=" || numbers.count > 1 else { return nil }
            clauses.append(Clause(sign: sign, numbers: numbers, isPrefix: isPrefix))
        }
        guard !clauses.isEmpty, clauses.count <= 10 else { return nil }
        self.clauses = clauses
    }

    private static func numbers(_ text: some StringProtocol) -> [Int]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...4).contains(parts.count) else { return nil }
        let numbers = parts.compactMap { part -> Int? in
            part.utf8.allSatisfy { (48...57).contains($0) } && part.utf8.count <= 6 ? Int(part) : nil
        }
        return numbers.count == parts.count ? numbers : nil
    }

    /// Whether the interpreter of this version (`3.11.2`) will do. What is no version will not.
    public func allow(_ version: String) -> Bool {
        guard let version = Self.numbers(version) else { return false }
        return clauses.allSatisfy { clause in
            let order = Self.compare(version, clause.numbers)
            let begins = Self.compare(Array(version.prefix(clause.numbers.count)), clause.numbers) == 0
            return switch clause.sign {
            case "==": clause.isPrefix ? begins : order == 0
            case "!=": clause.isPrefix ? !begins : order != 0
            case ">=": order >= 0
            case "<=": order <= 0
            case ">": order > 0
            case "<": order < 0
            default: order >= 0 && Array(version.prefix(clause.numbers.count - 1)) == clause.numbers.dropLast()
            }
        }
    }

    private static func compare(_ one: [Int], _ other: [Int]) -> Int {
        for place in 0..<max(one.count, other.count) {
            let (left, right) = (place < one.count ? one[place] : 0, place < other.count ? other[place] : 0)
            if left != right { return left < right ? -1 : 1 }
        }
        return 0
    }
}
