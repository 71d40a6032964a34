/// How text takes up room on a terminal. Colour codes take none.
enum TextWidth {
    static func of(_ text: some StringProtocol) -> Int {
        var width = 0
        var inCode = false
        for character in text {
            if character == "\u{1B}" {
                inCode = true
            } else if inCode {
                if character.isLetter { inCode = false }
            } else {
                width += columns(character)
            }
        }
        return width
    }

    /// At most `width` columns, the cut being marked by `ellipsis`. Colour is kept, and ended.
    static func cut(_ text: String, to width: Int, ellipsis: String) -> String {
        guard of(text) > width else { return text }
        let room = max(0, width - of(ellipsis))
        var result = ""
        var used = 0
        var inCode = false
        var coloured = false
        for character in text {
            if character == "\u{1B}" {
                inCode = true
                coloured = true
                result.append(character)
            } else if inCode {
                result.append(character)
                if character.isLetter { inCode = false }
            } else {
                guard used + columns(character) <= room else { break }
                used += columns(character)
                result.append(character)
            }
        }
        return result + ellipsis + (coloured ? "\u{1B}[0m" : "")
    }

    static func pad(_ text: String, to width: Int, right: Bool = false) -> String {
        let spaces = String(repeating: " ", count: max(0, width - of(text)))
        return right ? spaces + text : text + spaces
    }

    /// East Asian wide characters and emoji take two columns (Unicode TR 11, the common ranges).
    private static func columns(_ character: Character) -> Int {
        guard let scalar = character.unicodeScalars.first else { return 0 }
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x200B...0x200F, 0xFE00...0xFE0F: return 0
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE4F,
            0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF, 0x20000...0x3FFFD:
            return 2
        default: return 1
        }
    }
}
