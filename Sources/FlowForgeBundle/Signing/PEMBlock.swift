internal import Foundation

/// One block of RFC 7468 text: `-----BEGIN label-----`, base64, `-----END label-----`.
struct PEMBlock {
    var label: String
    var der: Data

    /// A key is below 1 KiB; a file of keys this large is no file of keys.
    static let largestText = 64 << 10

    /// The blocks of `text` in their order. What stands before and between blocks is explanation and is
    /// passed over, as RFC 7468 allows. Throws for a block that is cut, nested or no base64.
    static func read(_ text: String, from place: String) throws(SigningFault) -> [PEMBlock] {
        guard text.utf8.count <= largestText else {
            throw SigningFault("\(place) has \(text.utf8.count) bytes", hint: "a PEM file of keys has \(largestText) at most")
        }
        var blocks: [PEMBlock] = []
        var open: (label: String, base64: String)?
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.trimmingCharacters(in: .whitespaces)
            if let label = marked(line, "BEGIN") {
                guard open == nil else { throw cut(place, open?.label) }
                open = (label, "")
            } else if let label = marked(line, "END") {
                guard let block = open, block.label == label, let der = Data(base64Encoded: block.base64), !der.isEmpty else {
                    throw cut(place, label)
                }
                blocks.append(PEMBlock(label: label, der: der))
                open = nil
            } else {
                open?.base64 += line
            }
        }
        guard open == nil else { throw cut(place, open?.label) }
        return blocks
    }

    static func text(_ label: String, _ der: Data) -> String {
        let base64 = Array(der.base64EncodedString())
        let lines = stride(from: 0, to: base64.count, by: 64).map { String(base64[$0..<min($0 + 64, base64.count)]) }
        return (["-----BEGIN \(label)-----"] + lines + ["-----END \(label)-----"]).joined(separator: "\n") + "\n"
    }

    private static func marked(_ line: String, _ word: String) -> String? {
        let (prefix, suffix) = ("-----\(word) ", "-----")
        guard line.hasPrefix(prefix), line.hasSuffix(suffix), line.utf8.count > prefix.utf8.count + suffix.utf8.count else {
            return nil
        }
        return String(line.dropFirst(prefix.count).dropLast(suffix.count))
    }

    private static func cut(_ place: String, _ label: String?) -> SigningFault {
        SigningFault(
            "\(place): its block '\((label ?? "").prefix(60))' is cut or damaged", hint: "copy the whole file again")
    }
}
