public import Foundation

extension OperatorAPI {
    /// Whose environments, bundles, pools and principals are.
    public struct OrganisationView: Codable, Sendable {
        public var name: String
        public var createdAt: Date
        public var createdBy: String
        public init(name: String, createdAt: Date, createdBy: String) {
            self.name = name
            self.createdAt = createdAt
            self.createdBy = createdBy
        }
    }

    /// `POST /organisations`.
    public struct CreateOrganisation: Codable, Sendable {
        public var name: String
        public init(name: String) { self.name = name }
    }

    /// What the environments of an organisation are grouped by.
    public struct ProjectView: Codable, Sendable {
        public var organisation: String
        public var name: String
        public var createdAt: Date
        public var createdBy: String
        public init(organisation: String, name: String, createdAt: Date, createdBy: String) {
            self.organisation = organisation
            self.name = name
            self.createdAt = createdAt
            self.createdBy = createdBy
        }
    }

    /// `POST /projects`.
    public struct CreateProject: Codable, Sendable {
        public var name: String
        /// Absent: the organisation of whoever asks, or `default`.
        public var organisation: String?
        public init(name: String, organisation: String? = nil) {
            self.name = name
            self.organisation = organisation
        }
    }
}
