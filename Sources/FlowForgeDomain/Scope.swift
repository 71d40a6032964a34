/// What of a control plane somebody gets to see and to touch: all of it, one organisation, or some
/// projects of one. What is out of scope is not there: it is not found, not listed, and not changed.
///
/// The store asks for it in each operation (`Session.scope`); the operator API sets it for each request.
public struct Scope: Hashable, Sendable {
    /// Absent: the whole control plane.
    public let organisation: String?
    /// Absent: every project of the organisation. Never empty.
    public let projects: Set<String>?
    /// Who it belongs to, as the audit trail names them. Whoever is confined to projects sees there only
    /// what they did themselves.
    public let holder: String?

    /// Everything. What the control plane does by itself, and what agents ask it, is of this scope.
    public static let platform = Scope(of: nil, nil, holder: nil)

    /// Of another name than the other: an organisation that is there would choose that one, which calls this.
    private init(of organisation: String?, _ projects: Set<String>?, holder: String?) {
        (self.organisation, self.projects, self.holder) = (organisation, projects, holder)
    }

    public init(organisation: String, projects: Set<String>? = nil, holder: String? = nil) {
        self.init(of: organisation, projects.flatMap { $0.isEmpty ? nil : $0 }, holder: holder)
    }

    /// Of the task that is running. The store takes it over when a read or a write is asked for.
    @TaskLocal public static var current = Scope.platform

    public var isPlatform: Bool { organisation == nil }
    /// Neither other organisations nor other projects are hidden within it.
    public var isWholeOrganisation: Bool { projects == nil }

    public func includes(organisation: String, project: String) -> Bool {
        guard let own = self.organisation else { return true }
        return own == organisation && projects?.contains(project) != false
    }

    /// Whether whoever has this scope may give `other` to somebody.
    public func includes(_ other: Scope) -> Bool {
        guard let organisation else { return true }
        guard organisation == other.organisation else { return false }
        guard let projects else { return true }
        return other.projects?.isSubset(of: projects) ?? false
    }

    /// The organisation and the project that hold everything that nothing else is said of.
    public static let defaultName = "default"
}
