//! Names that Amazon gives to things. Each is a type of its own, so that no subnet is taken for a group.

use std::fmt;

macro_rules! names {
    ($($(#[$about:meta])* $name:ident;)*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> $name {
                $name(name.to_owned())
            }
        }
    )*};
}

names! {
    /// A region, such as `eu-west-1`.
    Region;
    /// An availability zone, such as `eu-west-1a`. The same name is another place for another account.
    Zone;
    /// A network, `vpc-…`.
    VpcId;
    /// A part of a network in one zone, `subnet-…`.
    SubnetId;
    /// A security group, `sg-…`.
    GroupId;
    /// A launch template, `lt-…`.
    TemplateId;
    /// What one request made, `fleet-…`. Not our fleet: ours has one in each region and round.
    RequestId;
    /// An instance, `i-…`. What the agent on it states when it joins.
    InstanceId;
}
