/// Versions of bundles: semver.org 2.0 without build metadata, whose `+` no OCI reference may have.
enum SemanticVersion {
    static func isWellFormed(_ text: String) -> Bool {
        guard text.utf8.count <= 64 else { return false }
        let core = text.prefix { $0 != "-" }
        let numbers = core.split(separator: ".", omittingEmptySubsequences: false)
        guard numbers.count == 3, numbers.allSatisfy(isNumber) else { return false }
        guard core.endIndex < text.endIndex else { return true }
        let labels = text[text.index(after: core.endIndex)...].split(separator: ".", omittingEmptySubsequences: false)
        return labels.allSatisfy { label in
            !label.isEmpty && label.utf8.allSatisfy(isLabelByte) && (!label.utf8.allSatisfy(isDigit) || isNumber(label))
        }
    }

    private static func isNumber(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(isDigit) && (text == "0" || text.first != "0")
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isLabelByte(_ byte: UInt8) -> Bool {
        isDigit(byte) || byte == UInt8(ascii: "-") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }
}
