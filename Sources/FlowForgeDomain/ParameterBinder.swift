public import FlowForgeProtocol

/// Turns the values given for parameters (of a run) or variables (of an environment) into the values
/// that tasks see: of the declared types, with the defaults filled in.
public enum ParameterBinder {
    /// The longest text that a value may be, in bytes.
    public static let longestText = 64 << 10

    /// Text is accepted for every type when it is exactly such a value (`"2013"` for an integer), since
    /// command lines and environment files know nothing else; dates and times stay text in ISO form.
    /// Throws every fault at once. A value of `null` is a value not given.
    public static func bind(
        specs: [ParameterSpec], values: [String: JSONValue]
    ) throws(ParameterBindingError) -> [String: JSONValue] {
        var bound: [String: JSONValue] = [:]
        var faults: [ParameterBindingError.Fault] = []
        for spec in specs {
            if let value = values[spec.name], value != .null {
                if let converted = spec.type.converting(value) {
                    bound[spec.name] = converted
                } else {
                    faults.append(.init(name: spec.name, reason: .wrongType(spec.type, found: value.kindForPeople)))
                }
            } else if let value = spec.defaultValue {
                bound[spec.name] = value
            } else {
                faults.append(.init(name: spec.name, reason: .missing(spec.type)))
            }
        }
        let names = specs.map(\.name)
        for name in values.keys.sorted() where !names.contains(name) {
            faults.append(.init(name: name, reason: .unknown(nearest: Spelling.nearest(name, among: names), known: names)))
        }
        guard faults.isEmpty else { throw ParameterBindingError(faults: faults) }
        return bound
    }
}

/// Everything that is wrong with the values given.
public struct ParameterBindingError: Error, Hashable, Sendable, CustomStringConvertible {
    public struct Fault: Hashable, Sendable, CustomStringConvertible {
        public enum Reason: Hashable, Sendable {
            case missing(ParameterType)
            /// `found` names the kind of the value, never the value itself.
            case wrongType(ParameterType, found: String)
            case unknown(nearest: String?, known: [String])
        }

        public var name: String
        public var reason: Reason

        public init(name: String, reason: Reason) {
            self.name = name
            self.reason = reason
        }

        public var description: String {
            let name = String(name.prefix(80))
            return switch reason {
            case .missing(let type): "'\(name)' needs a value (\(type.form))"
            case .wrongType(let type, let found): "'\(name)' must be \(type.form), not \(found)"
            case .unknown: "'\(name)' is not declared by the bundle"
            }
        }

        /// What to do about it.
        public var hint: String? {
            switch reason {
            case .unknown(let nearest?, _): "did you mean '\(nearest)'?"
            case .unknown(nil, let known) where known.isEmpty: "the bundle declares none"
            case .unknown(nil, let known): "declared are: \(known.sorted().joined(separator: ", "))"
            case .missing, .wrongType: nil
            }
        }
    }

    /// Never empty: missing and mistyped ones in the order of declaration, then unknown ones by name.
    public var faults: [Fault]

    public init(faults: [Fault]) { self.faults = faults }

    public var description: String {
        faults.map { fault in fault.hint.map { "\(fault) (\($0))" } ?? "\(fault)" }.joined(separator: "; ")
    }
}

extension JSONValue {
    /// A word for what kind of value this is, e.g. for an error message that must not show the value.
    public var kindForPeople: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .integer: "an integer"
        case .number: "a number with a fraction"
        case .string: "text"
        case .array: "a list"
        case .object: "a mapping"
        }
    }
}
