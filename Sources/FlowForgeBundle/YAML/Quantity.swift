/// Durations and sizes as people write them.
public enum Quantity {
    private static let units: [(suffix: String, seconds: Double)] = [
        ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1), ("ms", 0.001),
    ]
    private static let multiples: [(suffix: String, bytes: Int64)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1),
    ]

    /// `1d`, `1h30m`, `45s`, `250ms`: whole numbers with units, larger units first, each at most once.
    public static func seconds(_ text: String) -> Double? {
        var rest = text[...]
        var total = 0.0
        var nextUnit = 0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            let letters = rest.dropFirst(digits.count).prefix { $0.isASCII && $0.isLetter }
            guard digits.count <= 9, let number = Int(digits),
                let unit = units[nextUnit...].firstIndex(where: { $0.suffix == letters })
            else { return nil }
            total += Double(number) * units[unit].seconds
            nextUnit = unit + 1
            rest = rest.dropFirst(digits.count + letters.count)
        }
        return text.isEmpty ? nil : total
    }

    /// `512MiB`, `2GiB`: a whole number and a binary unit.
    public static func bytes(_ text: String) -> Int64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard digits.count <= 9, let number = Int64(digits),
            let unit = multiples.first(where: { $0.suffix == text.dropFirst(digits.count) })
        else { return nil }
        let (bytes, overflows) = number.multipliedReportingOverflow(by: unit.bytes)
        return overflows ? nil : bytes
    }

    /// The inverse of ``seconds(_:)``.
    public static func duration(_ seconds: Double) -> String {
        var milliseconds = Int64((seconds * 1000).rounded())
        var text = ""
        for unit in units {
            let size = Int64(unit.seconds * 1000)
            if milliseconds >= size { text += "\(milliseconds / size)\(unit.suffix)" }
            milliseconds %= size
        }
        return text.isEmpty ? "0s" : text
    }

    /// The inverse of ``bytes(_:)``.
    public static func size(_ bytes: Int64) -> String {
        let unit = multiples.first { bytes >= $0.bytes && bytes % $0.bytes == 0 } ?? ("B", 1)
        return "\(bytes / unit.bytes)\(unit.suffix)"
    }
}
