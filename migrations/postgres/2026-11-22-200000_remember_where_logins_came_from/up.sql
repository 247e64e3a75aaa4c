-- So that people recognise their logins, and so that strangers do not lock them out.
ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN user_agent TEXT;
