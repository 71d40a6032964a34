public import FlowForgeProtocol

/// What is refused because of whose it is. Nothing is said of what is out of scope but that it is not there.
extension APIError {
    /// Names are unique in a control plane; whose it is, is not said.
    public static func taken(_ noun: String, _ name: String) -> APIError {
        APIError(
            .conflict, "the \(noun) name '\(name.prefix(80))' is taken",
            hint: "names of environments, bundles and pools are unique in a control plane; take another, e.g. with your team's")
    }

    public static func noOrganisation(_ name: String) -> APIError {
        APIError(
            .notFound, "there is no organisation '\(name.prefix(80))'", hint: "`flowforge org list` shows those that you see")
    }

    public static func noProject(_ name: String) -> APIError {
        APIError(
            .notFound, "there is no project '\(name.prefix(80))'",
            hint: "`flowforge project list` shows those that you see, `flowforge project create` makes one")
    }

    /// What concerns every organisation.
    public static func needsPlatform(_ what: String) -> APIError {
        APIError(
            .forbidden, "\(what) are of the whole control plane, and you are of one organisation",
            hint: "ask an owner of the control plane")
    }

    /// What concerns every project.
    public static func needsOrganisation(_ what: String) -> APIError {
        APIError(
            .forbidden, "\(what) are of a whole organisation, and you are confined to projects",
            hint: "ask an owner of the organisation")
    }
}
