//! Rows that only users write: projects, stacks, volume templates (and where their volumes came to lie), keys,
//! registries, certificates, secrets, webhooks, settings.

use std::sync::Arc;

use super::{Touched, need};
use crate::{
    Certificate, CertificateId, Credential, CredentialId, HostId, Project, ProjectId,
    ProjectSecret, ProjectTemplate, ProjectTemplateId, ProjectVolume, Refused, Registry,
    RegistryId, RowKey, SecretId, Stack, StackId, VolumeId, VolumeKey, VolumeTemplate,
    VolumeTemplateId, Webhook, WebhookId, World,
};

impl World {
    pub(super) fn put_project(&mut self, project: &Project, touched: &mut Touched) {
        self.count(project.id.0);
        self.projects.insert(project.id, Arc::new(project.clone()));
        touched.insert(RowKey::Project(project.id));
    }

    pub(super) fn drop_project(&mut self, id: ProjectId, touched: &mut Touched) {
        self.projects.remove(&id);
        touched.insert(RowKey::Project(id));
    }

    pub(super) fn put_stack(
        &mut self,
        stack: &Stack,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        need(self.projects.contains_key(&stack.project), "the stack's project")?;
        self.count(stack.id.0);
        if let Some(held) = self.stacks.insert(stack.id, Arc::new(stack.clone())) {
            self.index.stack(&held, false);
        }
        self.index.stack(stack, true);
        touched.insert(RowKey::Stack(stack.id));
        Ok(())
    }

    pub(super) fn drop_stack(&mut self, id: StackId, touched: &mut Touched) {
        if let Some(held) = self.stacks.remove(&id) {
            self.index.stack(&held, false);
        }
        touched.insert(RowKey::Stack(id));
    }

    pub(super) fn put_volume_template(
        &mut self,
        template: &VolumeTemplate,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        need(self.stacks.contains_key(&template.stack), "the volume's stack")?;
        self.count(template.id.0);
        let held = self.volume_templates.insert(template.id, Arc::new(template.clone()));
        if let Some(held) = held {
            self.index.volume(&held, false);
        }
        self.index.volume(template, true);
        touched.insert(RowKey::VolumeTemplate(template.id));
        Ok(())
    }

    pub(super) fn drop_volume_template(&mut self, id: VolumeTemplateId, touched: &mut Touched) {
        if let Some(held) = self.volume_templates.remove(&id) {
            self.index.volume(&held, false);
        }
        touched.insert(RowKey::VolumeTemplate(id));
        let placed = self.volumes.keys().filter(|key| key.template == id);
        for key in placed.copied().collect::<Vec<_>>() {
            self.volumes.remove(&key);
            touched.insert(RowKey::Volume(key));
        }
    }

    pub(super) fn place_volume(&mut self, volume: VolumeKey, host: HostId, touched: &mut Touched) {
        self.volumes.insert(volume, host);
        touched.insert(RowKey::Volume(volume));
    }

    pub(super) fn put_project_volume(
        &mut self,
        volume: &ProjectVolume,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        need(self.projects.contains_key(&volume.project), "the volume's project")?;
        self.count(volume.id.0);
        touched.insert(RowKey::ProjectVolume(volume.id));
        self.project_volumes.insert(volume.id, Arc::new(volume.clone()));
        Ok(())
    }

    pub(super) fn drop_project_volume(&mut self, id: VolumeId, touched: &mut Touched) {
        self.project_volumes.remove(&id);
        touched.insert(RowKey::ProjectVolume(id));
    }

    pub(super) fn put_credential(&mut self, credential: &Credential, touched: &mut Touched) {
        self.count(credential.id.0);
        if let Some(held) = self.credentials.get(&credential.id) {
            self.index.credential(held, false);
        }
        self.index.credential(credential, true);
        self.credentials.insert(credential.id, Arc::new(credential.clone()));
        touched.insert(RowKey::Credential(credential.id));
    }

    pub(super) fn drop_credential(&mut self, id: CredentialId, touched: &mut Touched) {
        if let Some(held) = self.credentials.remove(&id) {
            self.index.credential(&held, false);
        }
        touched.insert(RowKey::Credential(id));
    }

    pub(super) fn put_registry(
        &mut self,
        registry: &Registry,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        need(self.projects.contains_key(&registry.project), "the registry's project")?;
        self.count(registry.id.0);
        if let Some(login) = &registry.login {
            self.count(login.id.0);
        }
        self.registries.insert(registry.id, Arc::new(registry.clone()));
        touched.insert(RowKey::Registry(registry.id));
        Ok(())
    }

    pub(super) fn drop_registry(&mut self, id: RegistryId, touched: &mut Touched) {
        self.registries.remove(&id);
        touched.insert(RowKey::Registry(id));
    }

    pub(super) fn put_certificate(
        &mut self,
        certificate: &Certificate,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        need(self.projects.contains_key(&certificate.project), "the certificate's project")?;
        self.count(certificate.id.0);
        touched.insert(RowKey::Certificate(certificate.id));
        self.certificates.insert(certificate.id, Arc::new(certificate.clone()));
        Ok(())
    }

    pub(super) fn drop_certificate(&mut self, id: CertificateId, touched: &mut Touched) {
        self.certificates.remove(&id);
        touched.insert(RowKey::Certificate(id));
    }

    pub(super) fn put_secret(
        &mut self,
        secret: &ProjectSecret,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        need(self.projects.contains_key(&secret.project), "the secret's project")?;
        self.count(secret.id.0);
        touched.insert(RowKey::Secret(secret.id));
        self.secrets.insert(secret.id, Arc::new(secret.clone()));
        Ok(())
    }

    pub(super) fn drop_secret(&mut self, id: SecretId, touched: &mut Touched) {
        self.secrets.remove(&id);
        touched.insert(RowKey::Secret(id));
    }

    pub(super) fn put_webhook(
        &mut self,
        webhook: &Webhook,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        need(self.projects.contains_key(&webhook.project), "the webhook's project")?;
        self.count(webhook.id.0);
        touched.insert(RowKey::Webhook(webhook.id));
        self.webhooks.insert(webhook.id, Arc::new(webhook.clone()));
        Ok(())
    }

    pub(super) fn drop_webhook(&mut self, id: WebhookId, touched: &mut Touched) {
        self.webhooks.remove(&id);
        touched.insert(RowKey::Webhook(id));
    }

    pub(super) fn put_project_template(
        &mut self,
        template: &ProjectTemplate,
        touched: &mut Touched,
    ) {
        self.count(template.id.0);
        touched.insert(RowKey::ProjectTemplate(template.id));
        self.project_templates.insert(template.id, Arc::new(template.clone()));
    }

    pub(super) fn drop_project_template(&mut self, id: ProjectTemplateId, touched: &mut Touched) {
        self.project_templates.remove(&id);
        touched.insert(RowKey::ProjectTemplate(id));
    }

    pub(super) fn set_setting(&mut self, name: &str, value: Option<&str>, touched: &mut Touched) {
        match value {
            Some(value) => self.settings.insert(name.to_owned(), value.to_owned()),
            None => self.settings.remove(name),
        };
        touched.insert(RowKey::Setting(name.to_owned()));
    }
}
