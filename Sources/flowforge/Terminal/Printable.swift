/// Makes text safe to show. Names, messages and log lines come from elsewhere, and a terminal obeys
/// what it is sent: control characters are shown as such, only line ends, tabs and our own colour
/// codes pass.
enum Printable {
    static func text(_ text: String, keepingColour: Bool) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var result = String.UnicodeScalarView()
        var rest = Substring(text).unicodeScalars
        while let scalar = rest.first {
            if keepingColour, scalar == "\u{1B}", let length = colourCode(rest) {
                result.append(contentsOf: rest.prefix(length))
                rest = rest.dropFirst(length)
                continue
            }
            rest = rest.dropFirst()
            if !isControl(scalar) {
                result.append(scalar)
            } else if scalar.value < 0x20 {
                result.append(contentsOf: "^\(Character(UnicodeScalar(UInt8(scalar.value) + 0x40)))".unicodeScalars)
            } else {
                result.append("\u{FFFD}")
            }
        }
        return String(result)
    }

    /// One line: ends of lines become spaces too.
    static func line(_ text: String) -> String {
        Printable.text(String(text.map { $0.isNewline || $0 == "\t" ? " " : $0 }), keepingColour: false)
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A: false
        case 0..<0x20, 0x7F...0x9F: true
        // Marks that turn the direction of text around can make one command look like another.
        case 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    /// The length of an SGR sequence (`ESC [ digits and semicolons m`) at the start, if there is one.
    private static func colourCode(_ text: Substring.UnicodeScalarView) -> Int? {
        guard text.dropFirst().first == "[" else { return nil }
        var length = 2
        for scalar in text.dropFirst(2).prefix(16) {
            length += 1
            switch scalar {
            case "0"..."9", ";": continue
            case "m": return length
            default: return nil
            }
        }
        return nil
    }
}
