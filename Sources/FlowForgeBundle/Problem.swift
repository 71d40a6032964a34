/// One thing wrong with a file that people wrote: what, where and what to do.
public struct Problem: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The path as the author knows it, relative to the bundle's folder.
    public var file: String
    /// From 1; `nil` where the file as a whole is meant.
    public var line: Int?
    /// From 1, in Unicode scalars.
    public var column: Int?
    public var message: String
    public var hint: String?

    public init(file: String, line: Int? = nil, column: Int? = nil, message: String, hint: String? = nil) {
        self.file = file
        self.line = line
        self.column = column
        self.message = message
        self.hint = hint
    }

    /// `flowforge.yaml:12:5: unknown key 'ouput' (did you mean 'output'?)`
    public var description: String {
        let place = [file, line.map(String.init), column.map(String.init)].compactMap(\.self).joined(separator: ":")
        return "\(place): \(message)" + (hint.map { " (\($0))" } ?? "")
    }
}

extension Problem: Comparable {
    /// By file, line and column, so that a list reads from top to bottom.
    public static func < (left: Self, right: Self) -> Bool {
        (left.file, left.line ?? 0, left.column ?? 0, left.message)
            < (right.file, right.line ?? 0, right.column ?? 0, right.message)
    }
}

/// Everything that is wrong, found in one go. Never empty.
public struct Problems: Error, Hashable, Sendable, CustomStringConvertible {
    /// Sorted and without repetitions.
    public let all: [Problem]

    public init(_ problems: [Problem]) { all = Set(problems).sorted() }

    /// One line each.
    public var description: String { all.map(\.description).joined(separator: "\n") }
}

public typealias BundleProblems = Problems
