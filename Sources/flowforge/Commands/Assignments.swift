import ArgumentParser
import FlowForgeProtocol

/// `name=value` as `--var` and `--param` take it. Values go to the control plane as text, which knows
/// the declared types and converts them.
struct Assignment: ExpressibleByArgument, Sendable {
    let name: String
    let value: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else { return nil }
        name = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }
}

extension [Assignment] {
    /// Throws a usage error where a name is given twice.
    func values(option: String) throws -> [String: JSONValue] {
        var values: [String: JSONValue] = [:]
        for assignment in self where values.updateValue(.string(assignment.value), forKey: assignment.name) != nil {
            throw CommandError(.usage, "usage", "\(option) \(assignment.name) is given twice", hint: "give it once")
        }
        return values
    }
}

/// `90`, `90s`, `15m`, `1h`, `7d`: whole seconds.
struct TimeToLive: ExpressibleByArgument, Sendable {
    let seconds: Int

    init?(argument: String) {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
        let unit = argument.last.flatMap { units[$0] }
        let digits = unit == nil ? argument[...] : argument.dropLast()
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(digits), number > 0 else {
            return nil
        }
        let (seconds, overflow) = number.multipliedReportingOverflow(by: unit ?? 1)
        guard !overflow else { return nil }
        self.seconds = seconds
    }

    init(seconds: Int) { self.seconds = seconds }

    var defaultValueDescription: String { Figures.duration(seconds: Double(seconds)) }
}
