public import Foundation

/// A lock file of Python packages in pip's format (`pip install --require-hashes`), as `pip-compile --generate-hashes` and
/// `uv pip compile --generate-hashes` write it. Read strictly: each package is pinned with `==` and has a SHA-256, so that
/// what is installed is what was reviewed; options, addresses, paths and other files are refused.
public struct RequirementsLock: Sendable, Hashable {
    public struct Package: Sendable, Hashable {
        /// Normalized (PEP 503): small letters, digits and single `-`.
        public var name: String
        public var extras: [String]
        public var version: String
        /// The environment marker, e.g. `python_version < "3.12"`.
        public var marker: String?
        /// `sha256:…`, sorted.
        public var hashes: [String]
    }

    /// In the order of the file.
    public let packages: [Package]
    public static let mostPackages = 5000

    /// - Parameter file: names it in problems.
    public init(_ contents: Data, file: String) throws(Problems) {
        guard let text = String(data: contents, encoding: .utf8) else {
            throw Problems([Problem(file: file, message: "is not UTF-8", hint: "write the lock file again")])
        }
        var reader = Reader(file: file)
        reader.read(text)
        guard reader.problems.isEmpty else { throw Problems(reader.problems) }
        guard !reader.packages.isEmpty else {
            throw Problems([
                Problem(
                    file: file, message: "names no package", hint: "remove 'python' from flowforge.yaml, or lock some packages")
            ])
        }
        packages = reader.packages
    }

    /// PEP 503.
    static func normalized(_ name: some StringProtocol) -> String {
        var text = ""
        for character in name.lowercased() {
            let character: Character = "-_.".contains(character) ? "-" : character
            if character != "-" || text.last != "-" { text.append(character) }
        }
        return text
    }
}

extension RequirementsLock {
    /// Reads logical lines, which a `\` at the end of a line prolongs.
    private struct Reader {
        let file: String
        var packages: [Package] = []
        var problems: [Problem] = []
        private var seen: [String: (line: Int, marker: String?)] = [:]

        init(file: String) { self.file = file }

        /// A word and where it begins.
        struct Word {
            var text: Substring
            var line: Int
            var column: Int
        }

        mutating func read(_ text: String) {
            var words: [Word] = []
            var lines = 0
            for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
                lines = index + 1
                let goesOn = line.last == "\\"
                words += split(goesOn ? line.dropLast() : line, at: lines)
                if !goesOn {
                    if !words.isEmpty { requirement(words) }
                    words = []
                }
                guard problems.count < 100, packages.count <= RequirementsLock.mostPackages else { break }
            }
            if !words.isEmpty { requirement(words) }
            if packages.count > RequirementsLock.mostPackages {
                report("more than \(RequirementsLock.mostPackages) packages", "split the bundle", lines, 1)
            }
        }

        /// A `#` at a line's start or behind a blank begins a comment.
        private func split(_ line: Substring, at number: Int) -> [Word] {
            var words: [Word] = []
            var column = 0
            var start: (index: Substring.Index, column: Int)?
            for index in line.indices {
                column += 1
                let character = line[index]
                if character == " " || character == "\t" {
                    if let begun = start {
                        words.append(Word(text: line[begun.index..<index], line: number, column: begun.column))
                    }
                    start = nil
                } else if start == nil {
                    if character == "#" { return words }
                    start = (index, column)
                }
            }
            if let begun = start { words.append(Word(text: line[begun.index...], line: number, column: begun.column)) }
            return words
        }

        private mutating func report(_ message: String, _ hint: String, _ line: Int, _ column: Int) {
            problems.append(Problem(file: file, line: line, column: column, message: message, hint: hint))
        }

        private mutating func report(_ message: String, _ hint: String, at word: Word) {
            report(message, hint, word.line, word.column)
        }

        private mutating func requirement(_ words: [Word]) {
            let first = words[0]
            guard !first.text.hasPrefix("-") else {
                return report(
                    "'\(first.text.prefix(60))' is an option",
                    "lock packages only; where they come from is the agent's configuration",
                    at: first)
            }
            let options = words.firstIndex { $0.text.hasPrefix("--") } ?? words.count
            let spec = words[..<options].map(\.text).joined(separator: " ")
            var hashes: Set<String> = []
            for word in words[options...] {
                guard let hash = hash(word) else { continue }
                hashes.insert(hash)
            }
            let parts = spec.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)
            let marker = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : nil
            guard let (name, extras, version) = pinned(parts[0].trimmingCharacters(in: .whitespaces), at: first) else { return }
            if marker == "" { report("there is no marker behind ';'", "remove the ';'", at: first) }
            if hashes.isEmpty, !words[options...].contains(where: { $0.text.hasPrefix("--hash") }) {
                report("'\(name)' has no hash", "lock with hashes: `pip-compile --generate-hashes`", at: first)
            }
            if let other = seen[name], other.marker == nil || marker == nil || other.marker == marker {
                report("'\(name)' is locked in line \(other.line) already", "keep one of them", at: first)
            }
            seen[name] = (first.line, marker)
            packages.append(Package(name: name, extras: extras, version: version, marker: marker, hashes: hashes.sorted()))
        }

        private mutating func hash(_ word: Word) -> String? {
            guard word.text.hasPrefix("--hash=") else {
                report("'\(word.text.prefix(60))' is no hash", "only --hash=sha256:… may follow a package", at: word)
                return nil
            }
            let hash = String(word.text.dropFirst("--hash=".count))
            guard ContentDigest.isWellFormed(hash) else {
                report("'\(hash.prefix(90))' is no SHA-256", "write sha256: and 64 lower-case hexadecimal digits", at: word)
                return nil
            }
            return hash
        }

        /// `name[extra,…]==version`
        private mutating func pinned(_ spec: String, at word: Word) -> (String, [String], String)? {
            func refuse(_ message: String, _ hint: String) -> (String, [String], String)? {
                report(message, hint, at: word)
                return nil
            }
            if spec.contains("://") || spec.contains("@") || spec.contains("/") {
                return refuse("'\(spec.prefix(60))' is an address or a path", "lock a package of an index, with ==")
            }
            guard let equals = spec.range(of: "=="), !spec.contains("===") else {
                return refuse("'\(spec.prefix(60))' is not pinned", "pin it with ==, as `pip-compile --generate-hashes` does")
            }
            var name = spec[..<equals.lowerBound].trimmingCharacters(in: .whitespaces)
            let version = spec[equals.upperBound...].trimmingCharacters(in: .whitespaces)
            var extras: [String] = []
            if let open = name.firstIndex(of: "[") {
                guard name.last == "]" else { return refuse("'\(name.prefix(60))' has no ']'", "write name[extra]==1.0") }
                extras = name[name.index(after: open)...].dropLast().split(separator: ",").map {
                    RequirementsLock.normalized($0.trimmingCharacters(in: .whitespaces))
                }
                name = String(name[..<open])
            }
            guard Self.isName(name), extras.allSatisfy(Self.isName) else {
                return refuse("'\(name.prefix(60))' is no package's name", "letters, digits, '.', '_' and '-'")
            }
            guard !version.isEmpty, version.utf8.count <= 100, version.utf8.allSatisfy(Self.isOfVersion) else {
                return refuse("'\(version.prefix(60))' is no version", "pin one version, without wildcards")
            }
            return (RequirementsLock.normalized(name), extras.sorted(), version)
        }

        private static func isName(_ text: String) -> Bool {
            func isAlphanumeric(_ byte: UInt8) -> Bool {
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
            }
            guard let first = text.utf8.first, let last = text.utf8.last, text.utf8.count <= 100 else { return false }
            return isAlphanumeric(first) && isAlphanumeric(last)
                && text.utf8.allSatisfy { isAlphanumeric($0) || [45, 46, 95].contains($0) }
        }

        /// PEP 440 without its wildcard.
        private static func isOfVersion(_ byte: UInt8) -> Bool {
            (48...57).contains(byte) || (97...122).contains(byte) || (65...90).contains(byte)
                || [33, 43, 45, 46, 95].contains(byte)
        }
    }
}
